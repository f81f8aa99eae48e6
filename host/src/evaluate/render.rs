//! A report as Markdown and as one HTML page that loads nothing.

use super::Report;
use super::metrics::{Figures, Rate};
use super::refusal::Refusals;
use crate::classes::CLASSES;
use std::collections::BTreeMap;
use std::fmt::Write;

const CAVEAT: &str = "In CoronaHack, Normal and Pneumonia images are of children of one hospital and COVID-19 images of adults from \
publications: a verdict may reflect age or origin instead of disease. Judge by the external test and its healthy adults.";

fn percent(value: f64) -> String {
    format!("{:.2} %", 100.0 * value)
}

fn interval([low, high]: [f64; 2]) -> String {
    format!("{:.1} to {:.1} %", 100.0 * low, 100.0 * high)
}

fn rate(rate: &Rate) -> String {
    match rate.value {
        Some(value) => format!("{} ({}; {} of {})", percent(value), interval(rate.interval_95), rate.hits, rate.n),
        None => "none".to_owned(),
    }
}

/// Head of each summary column and its figure.
fn summary(f: &Figures) -> [(&'static str, String); 8] {
    [
        ("images", f.n.to_string()),
        ("accuracy", percent(f.accuracy)),
        ("95 % interval", interval(f.accuracy_interval_95)),
        ("balanced accuracy", percent(f.balanced_accuracy)),
        ("macro F1", format!("{:.4}", f.macro_f1)),
        ("calibration error", format!("{:.4}", f.ece)),
        ("withheld", f.abstained.to_string()),
        ("accuracy of the rest", f.answered.value.map_or("none".to_owned(), percent)),
    ]
}

fn refusal_tables(refusal: &Refusals) -> [(&'static str, &BTreeMap<String, Rate>); 2] {
    [("frontal chest X-rays", &refusal.in_distribution), ("other pictures", &refusal.others)]
}

fn engine(report: &Report) -> &'static str {
    match report.engine {
        super::EngineName::Core => "core (int8, as on devices)",
        super::EngineName::Tract => "tract (float ONNX)",
        super::EngineName::TractInt8 => "tract (int8 ONNX, as written)",
    }
}

/// report.md.
pub(super) fn markdown(report: &Report) -> String {
    let mut out = format!(
        "# Evaluation of {}\n\n**{}**\n\nEngine: {}. Model SHA-256: `{}`. Intervals are Wilson's, 95 %.\n\n",
        report.model,
        report.notice,
        engine(report),
        report.model_sha256
    );
    let heads = report.splits.values().next().map(|f| summary(f).map(|(head, _)| head));
    if let Some(heads) = heads {
        let _ = writeln!(out, "| split | {} |\n|---|{}", heads.join(" | "), "---|".repeat(heads.len()));
    }
    for (name, figures) in &report.splits {
        let _ = writeln!(out, "| {name} | {} |", summary(figures).map(|(_, figure)| figure).join(" | "));
    }
    let _ = writeln!(
        out,
        "\nHealthy adults of other sources called COVID-19: {}.\n\n{CAVEAT}",
        rate(&report.healthy_adults_called_covid)
    );
    if let Some(refusal) = &report.refusal {
        let _ = writeln!(out, "\n## Refusal\n\nRefused above a score of {:.3}.\n", refusal.refuse_above);
        for (head, rates) in refusal_tables(refusal) {
            let _ = writeln!(out, "| {head} | refused |\n|---|---|");
            rates.iter().for_each(|(name, value)| {
                let _ = writeln!(out, "| {name} | {} |", rate(value));
            });
            out.push('\n');
        }
    }
    for (name, figures) in report.splits.iter().filter(|(name, _)| !name.contains('/')) {
        let _ = writeln!(
            out,
            "\n## {name}\n\n| truth \\ prediction | {} |\n|---|{}",
            CLASSES.join(" | "),
            "---|".repeat(CLASSES.len())
        );
        for (class, row) in CLASSES.iter().zip(figures.confusion) {
            let _ = writeln!(out, "| {class} | {} |", row.map(|n| n.to_string()).join(" | "));
        }
        let _ = writeln!(out, "\n| class | sensitivity | specificity | PPV |\n|---|---|---|---|");
        for class in CLASSES {
            let f = &figures.classes[class];
            let _ = writeln!(out, "| {class} | {} | {} | {} |", rate(&f.sensitivity), rate(&f.specificity), rate(&f.ppv));
        }
    }
    out
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}\
table{border-collapse:collapse;margin:1rem 0}caption{text-align:left;font-weight:600}th,td{border:1px solid #c8ccd0;padding:.35rem .6rem;text-align:right}\
th:first-child{text-align:left}.notice{background:#fff4d6;border-left:4px solid #b7791f;padding:.6rem 1rem}code{word-break:break-all}";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// report.html.
pub(super) fn html(report: &Report) -> String {
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Evaluation of {model}</title><style>{STYLE}</style></head><body><h1>Evaluation of {model}</h1>\
         <p class=\"notice\"><strong>{}</strong></p><p>Engine: {}. Model SHA-256: <code>{}</code>. Intervals are Wilson's, 95&nbsp;%.</p>",
        escape(report.notice),
        engine(report),
        escape(&report.model_sha256),
        model = escape(&report.model)
    );
    out.push_str("<table><caption>All splits</caption><tr><th scope=\"col\">split</th>");
    if let Some(figures) = report.splits.values().next() {
        summary(figures).iter().for_each(|(head, _)| {
            let _ = write!(out, "<th scope=\"col\">{head}</th>");
        });
    }
    out.push_str("</tr>");
    for (name, figures) in &report.splits {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", escape(name));
        summary(figures).iter().for_each(|(_, figure)| {
            let _ = write!(out, "<td>{figure}</td>");
        });
        out.push_str("</tr>");
    }
    let _ = write!(
        out,
        "</table><p>Healthy adults of other sources called COVID-19: <strong>{}</strong>.</p><p>{CAVEAT}</p>",
        rate(&report.healthy_adults_called_covid)
    );
    if let Some(refusal) = &report.refusal {
        let _ = write!(out, "<h2>Refusal</h2><p>Refused above a score of {:.3}.</p>", refusal.refuse_above);
        for (head, rates) in refusal_tables(refusal) {
            let _ = write!(out, "<table><tr><th scope=\"col\">{head}</th><th scope=\"col\">refused</th></tr>");
            rates.iter().for_each(|(name, value)| {
                let _ = write!(out, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(name), rate(value));
            });
            out.push_str("</table>");
        }
    }
    for (name, figures) in report.splits.iter().filter(|(name, _)| !name.contains('/')) {
        let _ = write!(out, "<h2>{}</h2>", escape(name));
        confusion(&mut out, figures);
        out.push_str("<table><caption>By class</caption><tr><th scope=\"col\">class</th><th scope=\"col\">sensitivity</th><th scope=\"col\">specificity</th><th scope=\"col\">PPV</th></tr>");
        for class in CLASSES {
            let f = &figures.classes[class];
            let _ = write!(
                out,
                "<tr><th scope=\"row\">{class}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
                rate(&f.sensitivity),
                rate(&f.specificity),
                rate(&f.ppv)
            );
        }
        out.push_str("</table>");
    }
    out.push_str("</body></html>\n");
    out
}

fn confusion(out: &mut String, figures: &Figures) {
    out.push_str("<table><caption>Confusion matrix: truth by prediction</caption><tr><th scope=\"col\"></th>");
    for class in CLASSES {
        let _ = write!(out, "<th scope=\"col\">{class}</th>");
    }
    out.push_str("</tr>");
    for (truth, row) in figures.confusion.iter().enumerate() {
        let total: usize = row.iter().sum();
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", CLASSES[truth]);
        for (prediction, count) in row.iter().enumerate() {
            let share = *count as f64 / total.max(1) as f64;
            let color = if truth == prediction { "31,119,80" } else { "192,57,43" };
            let _ =
                write!(out, "<td style=\"background:rgba({color},{:.2})\">{count} ({:.0} %)</td>", 0.5 * share, 100.0 * share);
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>");
}
