//! Plots as inline SVG, without a script.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;

/// One line of a chart; a missing value interrupts it.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) values: Vec<Option<f64>>,
}

/// A chart over time.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) unit: &'a str,
    /// Seconds.
    pub(super) at: &'a [f64],
    pub(super) lines: Vec<Line<'a>>,
    /// The marked spans of time: name, begin, end.
    pub(super) spans: Vec<(&'a str, f64, f64)>,
}

impl Chart<'_> {
    /// Returns the figure; an empty text if there is nothing to show.
    pub(super) fn svg(&self) -> String {
        let all = self.lines.iter().flat_map(|line| line.values.iter().flatten().copied());
        let highest = all.fold(0.0, f64::max);
        let last = self.at.last().copied().unwrap_or_default();
        if highest <= 0.0 || last <= 0.0 {
            return String::new();
        }
        let top = round_up(highest);
        let x = |at: f64| LEFT + at / last * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
        let mut svg = begin(self.title);
        for (name, from, to) in &self.spans {
            let (from, to) = (x(from.min(last)), x(to.min(last)));
            let _infallible = write!(
                svg,
                r#"<rect class="span" x="{from:.1}" y="{TOP}" width="{:.1}" height="{:.1}"><title>{}</title></rect>"#,
                (to - from).max(0.0),
                HEIGHT - TOP - BOTTOM,
                escape(name)
            );
        }
        for step in 0..=4 {
            let value = top * f64::from(step) / 4.0;
            horizontal(&mut svg, y(value), &format!("{} {}", short(value), self.unit));
        }
        for step in 0..=6 {
            let at = last * f64::from(step) / 6.0;
            below(&mut svg, x(at), &format!("{at:.0} s"));
        }
        for (number, line) in self.lines.iter().enumerate() {
            let mut path = String::new();
            let mut pen_up = true;
            for (&at, value) in self.at.iter().zip(&line.values) {
                let Some(value) = value else {
                    pen_up = true;
                    continue;
                };
                let command = if std::mem::take(&mut pen_up) { 'M' } else { 'L' };
                let _infallible = write!(path, "{command}{:.1} {:.1}", x(at), y(*value));
            }
            let _infallible = write!(svg, r#"<path class="line c{}" d="{path}"/>"#, number % 6);
        }
        end(svg, self.lines.iter().map(|line| line.name))
    }
}

/// Draws bars over a logarithmic axis of latencies: (upper bound in seconds, count), without the empty ends.
pub(super) fn histogram(title: &str, buckets: &[(f64, u64)]) -> String {
    let first = buckets.iter().position(|&(_, count)| count > 0);
    let last = buckets.iter().rposition(|&(_, count)| count > 0);
    let (Some(first), Some(last)) = (first, last) else { return String::new() };
    let shown = &buckets[first..=last];
    let total: u64 = shown.iter().map(|&(_, count)| count).sum();
    let highest = shown.iter().map(|&(_, count)| count).max().unwrap_or(1) as f64 / total as f64;
    let top = round_up(highest * 100.0);
    let width = (WIDTH - LEFT - RIGHT) / shown.len() as f64;
    let plot = HEIGHT - TOP - BOTTOM;
    let mut svg = begin(title);
    for step in 0..=4 {
        let value = top * f64::from(step) / 4.0;
        horizontal(&mut svg, HEIGHT - BOTTOM - value / top * plot, &format!("{} %", short(value)));
    }
    let labels = shown.len().div_ceil(8);
    for (i, &(bound, count)) in shown.iter().enumerate() {
        let share = count as f64 / total as f64 * 100.0;
        let (x, height) = (LEFT + i as f64 * width, share / top * plot);
        let _infallible = write!(
            svg,
            r#"<rect class="bar" x="{x:.1}" y="{:.1}" width="{:.1}" height="{height:.1}"><title>up to {}: {count}</title></rect>"#,
            HEIGHT - BOTTOM - height,
            (width - 1.0).max(0.5),
            latency(bound),
        );
        if i % labels == 0 {
            below(&mut svg, x + width, &latency(bound));
        }
    }
    end(svg, [])
}

fn begin(title: &str) -> String {
    format!(
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(title),
        escape(title)
    )
}

fn horizontal(svg: &mut String, y: f64, label: &str) {
    let _infallible = write!(
        svg,
        r#"<line class="grid" x1="{LEFT}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/><text class="left" x="{:.1}" y="{:.1}">{label}</text>"#,
        WIDTH - RIGHT,
        LEFT - 6.0,
        y + 4.0
    );
}

fn below(svg: &mut String, x: f64, label: &str) {
    let _infallible = write!(svg, r#"<text class="below" x="{x:.1}" y="{:.1}">{label}</text>"#, HEIGHT - 8.0);
}

fn end<'a>(mut svg: String, names: impl IntoIterator<Item = &'a str>) -> String {
    svg.push_str("</svg><p class=\"legend\">");
    for (number, name) in names.into_iter().enumerate() {
        let _infallible = write!(svg, r#"<span class="k{}">{}</span> "#, number % 6, escape(name));
    }
    svg.push_str("</p></figure>");
    svg
}

/// Rounds up to the next of 1, 2, 5 × 10ⁿ.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|&top| top >= value).unwrap_or(value)
}

/// Formats a number for an axis.
fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.1}M", v / 1e6),
        v if v >= 1e4 => format!("{:.0}k", v / 1e3),
        v if v >= 10.0 || v.fract() == 0.0 => format!("{v:.0}"),
        v if v >= 0.1 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

/// Formats a latency for reading.
pub(super) fn latency(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 0.01 => format!("{:.0} ms", s * 1e3),
        s if s >= 0.001 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.0} µs", s * 1e6),
    }
}

/// Escapes text for HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_need_something_to_show_and_axes_are_round() {
        let empty = Chart { title: "t", unit: "s", at: &[1.0], lines: Vec::new(), spans: Vec::new() };
        assert_eq!(empty.svg(), "");
        assert_eq!(histogram("t", &[(0.1, 0)]), "");
        let lines = vec![Line { name: "<a>", values: vec![Some(1.0), None, Some(37.0)] }];
        let chart = Chart { title: "t", unit: "/s", at: &[1.0, 2.0, 3.0], lines, spans: vec![("hold", 1.0, 2.0)] };
        let svg = chart.svg();
        assert!(svg.contains("50 /s") && svg.contains("&lt;a&gt;"), "{svg}");
        assert_eq!(svg.matches('M').count(), 2, "the gap interrupts the line");
        assert!(histogram("t", &[(0.001, 0), (0.002, 3), (0.004, 1)]).contains("up to 2.0 ms: 3"));
    }
}
