//! The chart: for each case three bars, each case on a scale of its own, since a get and a sign-in are worlds apart.

use std::fmt::Write as _;

use super::report::{FLOOR, NINEFOLD, POCKETBASE};

/// One case.
pub(crate) struct Bars {
    pub(crate) title: &'static str,
    /// In the order of the contenders.
    pub(crate) values: [f64; 3],
}

const WIDTH: f64 = 880.0;
const HEAD: f64 = 92.0;
const FOOT: f64 = 40.0;
const ROW: f64 = 62.0;
const BAR: f64 = 13.0;
const GAP: f64 = 3.0;
const LEFT: f64 = 300.0;
/// Of the longest bar.
const LONGEST: f64 = 400.0;
const MARGIN: f64 = 28.0;
const NAMES: [&str; 3] = ["Ninefold", "PocketBase", "Floor: the same SQL, written by hand"];
const COLOURS: [&str; 3] = ["#4f46e5", "#f59e0b", "#cbd5e1"];

pub(crate) fn draw(rows: &[Bars]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "there are few rows")]
    let height = HEAD + ROW * rows.len() as f64 + FOOT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"system-ui, -apple-system, 'Segoe UI', sans-serif\" role=\"img\" aria-label=\"Requests a second\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" rx=\"12\" fill=\"#ffffff\"/>\n\
         <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"11.5\" fill=\"none\" stroke=\"#e2e8f0\"/>\n",
        WIDTH - 1.0,
        height - 1.0
    );
    text(
        &mut svg,
        MARGIN,
        38.0,
        "font-size=\"19\" font-weight=\"700\" fill=\"#0f172a\"",
        "Requests a second",
    );
    legend(&mut svg);
    let mut top = HEAD;
    for row in rows {
        draw_row(&mut svg, row, top);
        top += ROW;
    }
    let foot = "64 connections, load and server on one machine. Each case has a scale of its own; longer is better.";
    text(
        &mut svg,
        MARGIN,
        height - 16.0,
        "font-size=\"12\" fill=\"#64748b\"",
        foot,
    );
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String) {
    let mut x = MARGIN;
    for (name, colour) in NAMES.iter().zip(COLOURS) {
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"55\" width=\"12\" height=\"12\" rx=\"3\" fill=\"{colour}\"/>"
        );
        text(svg, x + 18.0, 65.5, "font-size=\"13\" fill=\"#334155\"", name);
        #[expect(clippy::cast_precision_loss, reason = "names are short")]
        let width = name.len() as f64 * 7.0;
        x += 46.0 + width;
    }
}

fn draw_row(svg: &mut String, row: &Bars, top: f64) {
    let _ = writeln!(
        svg,
        "<line x1=\"{MARGIN}\" x2=\"{}\" y1=\"{top}\" y2=\"{top}\" stroke=\"#f1f5f9\"/>",
        WIDTH - MARGIN
    );
    let middle = top + ROW / 2.0;
    text(
        svg,
        MARGIN,
        middle + 4.5,
        "font-size=\"13.5\" font-weight=\"500\" fill=\"#0f172a\"",
        row.title,
    );
    let most = row.values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let mut y = top + (ROW - 3.0 * BAR - 2.0 * GAP) / 2.0;
    for index in [NINEFOLD, POCKETBASE, FLOOR] {
        let value = row.values[index];
        let width = (LONGEST * value / most).max(1.5);
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"3\" fill=\"{}\"/>",
            COLOURS[index]
        );
        let label = match index {
            NINEFOLD => format!(
                "{}  ·  {:.1}× PocketBase",
                super::report::rounded(value),
                value / row.values[POCKETBASE]
            ),
            _ => super::report::rounded(value),
        };
        let style = match index {
            NINEFOLD => "font-size=\"11.5\" font-weight=\"700\" fill=\"#312e81\"",
            _ => "font-size=\"11.5\" fill=\"#475569\"",
        };
        text(svg, LEFT + width + 7.0, y + BAR - 2.5, style, &label);
        y += BAR + GAP;
    }
}

fn text(svg: &mut String, x: f64, y: f64, style: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{content}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values() {
        let row = Bars {
            title: "a < b",
            values: [200.0, 50.0, 400.0],
        };
        let svg = draw(&[row]);
        for width in ["200.0", "50.0", "400.0"] {
            assert!(svg.contains(&format!("width=\"{width}\" height=\"13\"")), "{svg}");
        }
        assert!(svg.contains("a &lt; b") && svg.contains("4.0× PocketBase"), "{svg}");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }
}
