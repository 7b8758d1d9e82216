//! The chart: for each case a bar of each program, each case on a scale of its own, since a get and a sign-in are worlds
//! apart.

use std::fmt::Write as _;

pub(crate) struct Chart {
    /// What is compared, Ninefold first, each with its colour.
    pub(crate) programs: &'static [(&'static str, &'static str)],
    /// The place of the one that Ninefold is said to be so many times as fast as, and what it is called there.
    pub(crate) compared: (usize, &'static str),
    pub(crate) cases: Vec<Bars>,
}

/// One case.
pub(crate) struct Bars {
    pub(crate) title: &'static str,
    /// In the order of the programs.
    pub(crate) values: Vec<f64>,
}

pub(crate) const INDIGO: &str = "#4f46e5";
pub(crate) const AMBER: &str = "#f59e0b";
pub(crate) const GREY: &str = "#cbd5e1";

const WIDTH: f64 = 880.0;
const HEAD: f64 = 92.0;
const FOOT: f64 = 40.0;
/// Around the bars of a case.
const AROUND: f64 = 17.0;
const BAR: f64 = 13.0;
const GAP: f64 = 3.0;
const LEFT: f64 = 300.0;
/// Of the longest bar.
const LONGEST: f64 = 400.0;
const MARGIN: f64 = 28.0;
#[expect(clippy::cast_precision_loss, reason = "there are few cases and programs")]
pub(crate) fn draw(chart: &Chart) -> String {
    let bars = chart.programs.len() as f64;
    let row = AROUND + bars * BAR + (bars - 1.0) * GAP;
    let height = HEAD + row * chart.cases.len() as f64 + FOOT;
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
    legend(&mut svg, chart);
    let mut top = HEAD;
    for case in &chart.cases {
        draw_case(&mut svg, chart, case, (top, row));
        top += row;
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

fn legend(svg: &mut String, chart: &Chart) {
    let mut x = MARGIN;
    for (name, colour) in chart.programs {
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

fn draw_case(svg: &mut String, chart: &Chart, case: &Bars, (top, height): (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line x1=\"{MARGIN}\" x2=\"{}\" y1=\"{top}\" y2=\"{top}\" stroke=\"#f1f5f9\"/>",
        WIDTH - MARGIN
    );
    let middle = top + height / 2.0;
    text(
        svg,
        MARGIN,
        middle + 4.5,
        "font-size=\"13.5\" font-weight=\"500\" fill=\"#0f172a\"",
        case.title,
    );
    let most = case.values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let (other, other_name) = chart.compared;
    let mut y = top + AROUND / 2.0;
    for (place, (value, (_, colour))) in case.values.iter().zip(chart.programs).enumerate() {
        let width = (LONGEST * value / most).max(1.5);
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"3\" fill=\"{colour}\"/>",
        );
        let (label, style) = if place == 0 {
            let label = format!(
                "{}  ·  {:.1}× {other_name}",
                super::report::rounded(*value),
                value / case.values[other]
            );
            (label, "font-size=\"11.5\" font-weight=\"700\" fill=\"#312e81\"")
        } else {
            (super::report::rounded(*value), "font-size=\"11.5\" fill=\"#475569\"")
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
        let chart = Chart {
            programs: &[("Ninefold", INDIGO), ("PocketBase", AMBER), ("floor", GREY)],
            compared: (1, "PocketBase"),
            cases: vec![Bars {
                title: "a < b",
                values: vec![200.0, 50.0, 400.0],
            }],
        };
        let svg = draw(&chart);
        for width in ["200.0", "50.0", "400.0"] {
            assert!(svg.contains(&format!("width=\"{width}\" height=\"13\"")), "{svg}");
        }
        assert!(svg.contains("a &lt; b") && svg.contains("4.0× PocketBase"), "{svg}");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }
}
