/** An answer that is an error: `problem` is its problem+json. */
export class Failure extends Error {
  constructor(problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
  }
}
