//! How a session is spoken to: every way of giving rows is one, and what is wrong is refused without a trace.

use rownet::error::Error;
use rownet::model::Model;
use rownet::session::Session;

const FILES: [&[u8]; 4] =
    [include_bytes!("every.rnet"), include_bytes!("mobile.rnet"), include_bytes!("residual.rnet"), include_bytes!("tiny.rnet")];

fn input(model: &Model<'_>) -> Vec<i8> {
    (0..model.shape(0).len()).map(|i| (i * 89 + i / 7) as i8).collect()
}

/// The outputs after rows that `push` gives.
fn outputs(model: &Model<'_>, push: impl Fn(&mut Session<'_, '_>, &[i8]) -> Result<(), Error>) -> Vec<Vec<i8>> {
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(model, &mut arena).unwrap();
    let input = input(model);
    while let Some(y) = session.next_input_row() {
        push(&mut session, input.chunks_exact(model.shape(0).row_len()).nth(y as usize).unwrap()).unwrap();
    }
    let outputs = session.finish().unwrap();
    (0..).map_while(|i| outputs.bytes(i).ok().map(<[i8]>::to_vec)).collect()
}

#[test]
fn every_way_of_giving_rows_is_one() {
    for file in FILES {
        let model = Model::parse(file).unwrap();
        let expected = outputs(&model, |session, row| session.push_row_observed(row, &mut |_, _, _| ()));
        assert!(expected.iter().flatten().any(|q| *q != expected[0][0]));
        assert_eq!(outputs(&model, |session, row| session.push_row(row)), expected);
        let as_u8 = |row: &[i8]| row.iter().map(|q| (i32::from(*q) + 128) as u8).collect::<Vec<_>>();
        assert_eq!(outputs(&model, |session, row| session.push_row_u8(&as_u8(row))), expected);
        let mut arena = vec![0; model.arena_bytes()];
        let mut session = Session::new(&model, &mut arena).unwrap();
        for _ in 0..2 {
            let found = session.run(&input(&model)).unwrap();
            assert_eq!((0..).map_while(|i| found.bytes(i).ok().map(<[i8]>::to_vec)).collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn rows_are_counted_and_what_is_wrong_leaves_no_trace() {
    for file in FILES {
        let model = Model::parse(file).unwrap();
        let (height, row) = (u32::from(model.shape(0).height), vec![3; model.shape(0).row_len()]);
        let mut arena = vec![0; model.arena_bytes()];
        let mut session = Session::new(&model, &mut arena).unwrap();
        for pass in 0..model.input_passes() {
            for y in 0..height {
                assert_eq!(session.next_input_row(), Some(y));
                let (given, expected) = (row.len() as u32 - 1, row.len() as u32);
                assert_eq!(session.push_row(&row[1..]), Err(Error::RowLength { expected, given }));
                if pass == 0 {
                    let missing = session.finish().map(|_| ()).unwrap_err();
                    assert_eq!(missing, Error::MissingRows { given: y, expected: height });
                }
                session.push_row(&row).unwrap();
            }
        }
        assert_eq!(session.next_input_row(), None);
        assert_eq!(session.push_row(&row), Err(Error::TooManyRows));
        assert!(session.finish().is_ok());
        let long = vec![0; row.len() * height as usize + 1];
        let error = session.run(&long).map(|_| ()).unwrap_err();
        assert_eq!(error, Error::RowLength { expected: long.len() as u32 - 1, given: long.len() as u32 });
        session.reset();
        assert_eq!(session.next_input_row(), Some(0));
    }
}
