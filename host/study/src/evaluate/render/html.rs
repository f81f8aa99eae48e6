//! report.html: one page that loads nothing and needs no script.

use super::section::{Block, Section, Table};
use super::text::NONE;
use crate::evaluate::mistake::Mistake;
use crate::evaluate::subject::Subject;
use cxr_app::classes::CLASSES;
use html_escape::{encode_double_quoted_attribute as attribute, encode_text as text};
use std::fmt::Write;

const STYLE: &str = include_str!("report.css");

/// The page, written in `seconds`.
pub fn page(subject: &Subject, sections: &[Section], seconds: f64) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
            content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Evaluation of \
         {0}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>Evaluation of {0}</h1>\n<p class=\"notice\">{1}</p></header>\n<nav aria-label=\"Sections\"><ul>",
        text(&subject.model),
        text(subject.notice)
    );
    for section in sections {
        let _ = write!(out, "<li><a href=\"#{}\">{}</a></li>", section.id, text(section.title));
    }
    out.push_str("</ul></nav>\n<main>\n");
    for Section { id, title, note, blocks } in sections {
        let _ = write!(out, "<section id=\"{id}\">\n<h2>{}</h2>\n<p class=\"note\">{}</p>\n", text(title), text(note));
        blocks.iter().for_each(|b| block(&mut out, b));
        out.push_str("</section>\n");
    }
    let _ = write!(
        out,
        "</main>\n<footer><p>{} Written by host evaluate {} in {:.0} s; docs/evaluation.md says how each figure is \
            computed.</p></footer>\n</body>\n</html>\n",
        text(subject.notice),
        env!("CARGO_PKG_VERSION"),
        seconds
    );
    out
}

fn block(out: &mut String, block: &Block) {
    // Writing to a string cannot fail.
    let _ = match block {
        Block::Text(words) => writeln!(out, "<p>{}</p>", text(words)),
        Block::Missing(reason) => writeln!(out, "<p class=\"missing\"><strong>Not computed:</strong> {}</p>", text(reason)),
        Block::Plot(caption, svg) => {
            let label = format!("role=\"img\" aria-label=\"Plot. {}\"", attribute(caption));
            let svg = svg.replacen("role=\"img\"", &label, 1);
            writeln!(out, "<figure>{svg}<figcaption>{}</figcaption></figure>", text(caption))
        }
        Block::Tiles(tiles) => {
            out.push_str("<ul class=\"tiles\">");
            for [value, what, detail] in tiles {
                let _ = write!(out, "<li><b>{}</b><span>{}</span><small>{}</small></li>", text(value), text(what), text(detail));
            }
            writeln!(out, "</ul>")
        }
        Block::Table(found) => {
            table(out, found);
            Ok(())
        }
        Block::Confusion(caption, counts) => {
            confusion(out, caption, counts);
            Ok(())
        }
        Block::Gallery(mistakes) => {
            out.push_str("<ol class=\"gallery\">");
            mistakes.iter().for_each(|m| mistake(out, m));
            writeln!(out, "</ol>")
        }
    };
}

/// Opens a table; columns of words are set to the left.
fn head<'a>(out: &mut String, kind: &str, caption: &str, cells: impl Iterator<Item = (&'a str, bool)>) {
    // A wide table scrolls in its box; keyboards reach it.
    let label = if caption.is_empty() { "Table" } else { caption };
    let _ = write!(out, "<div class=\"{kind}\" role=\"region\" tabindex=\"0\" aria-label=\"{}\"><table>", attribute(label));
    if !caption.is_empty() {
        let _ = write!(out, "<caption>{}</caption>", text(caption));
    }
    out.push_str("<thead><tr>");
    cells.for_each(|(cell, words)| {
        let _ = write!(out, "<th scope=\"col\"{}>{}</th>", words_class(words), text(cell));
    });
    out.push_str("</tr></thead><tbody>");
}

fn words_class(words: bool) -> &'static str {
    if words { " class=\"words\"" } else { "" }
}

fn table(out: &mut String, table: &Table) {
    let is_word = |cell: &String| cell.starts_with(char::is_alphabetic) && cell != NONE;
    let words: Vec<bool> =
        (0..table.head.len()).map(|column| table.rows.iter().all(|row| row.get(column).is_some_and(is_word))).collect();
    head(out, "table", &table.caption, table.head.iter().map(String::as_str).zip(words.iter().copied()));
    for row in &table.rows {
        out.push_str("<tr>");
        for ((column, cell), words) in row.iter().enumerate().zip(&words) {
            let (first, rest) = cell.split_once(" (").unwrap_or((cell, ""));
            let rest = rest.strip_suffix(')').unwrap_or(rest);
            let _ = match (column, rest) {
                (0, _) => write!(out, "<th scope=\"row\">{}</th>", text(cell)),
                (_, "") => write!(out, "<td{}>{}</td>", words_class(*words), text(first)),
                _ => write!(out, "<td{}>{}<small>{}</small></td>", words_class(*words), text(first), text(rest)),
            };
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>\n");
}

fn confusion(out: &mut String, caption: &str, counts: &[[usize; 3]; 3]) {
    head(out, "table confusion", caption, std::iter::once("truth").chain(CLASSES).map(|cell| (cell, false)));
    for (truth, row) in counts.iter().enumerate() {
        let total: usize = row.iter().sum();
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", CLASSES[truth]);
        for (verdict, count) in row.iter().enumerate() {
            let share = *count as f64 / total.max(1) as f64;
            let kind = if truth == verdict { "right" } else { "wrong" };
            let _ = write!(
                out,
                "<td class=\"{kind}\" style=\"--share:{share:.2}\">{count}<small>{:.0} %</small></td>",
                100.0 * share
            );
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>\n");
}

fn mistake(out: &mut String, m: &Mistake) {
    out.push_str("<li>");
    if let Some(jpeg) = &m.thumbnail {
        let alt = format!("X-ray {}, labelled {}, called {}", m.image, m.truth, m.verdict);
        let _ =
            write!(out, "<img src=\"data:image/jpeg;base64,{jpeg}\" alt=\"{}\" width=\"176\" height=\"176\">", attribute(&alt));
    }
    let withheld = if m.withheld { ", withheld" } else { "" };
    let _ = write!(
        out,
        "<p><strong>{} with {:.1} %</strong>{withheld}<br>labelled {}<br><small>{}, {}: {}</small></p></li>",
        text(m.verdict),
        100.0 * m.probability,
        text(m.truth),
        text(&m.source),
        m.split,
        text(&m.path)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_escaped_and_their_intervals_set_below() {
        let mut out = String::new();
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = vec![row(["a<b", "nih", "50.0 % (1 to 2 %; 1 of 2)"]), row(["c", "rsna", NONE])];
        table(&mut out, &Table { caption: "\"x\"".into(), head: row(["", "source", "figure"]), rows });
        for part in [
            "aria-label=\"&quot;x&quot;\"",
            "<th scope=\"row\">a&lt;b</th>",
            "<td class=\"words\">nih</td>",
            "<td>50.0 %<small>1 to 2 %; 1 of 2</small></td>",
        ] {
            assert!(out.contains(part), "{part}: {out}");
        }
    }
}
