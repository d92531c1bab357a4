//! The curve of speed against recall, as an SVG. Text is SVG text: no font is needed to draw it.

use std::io;
use std::path::Path;

use indicatif::HumanFloatCount;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::measure::Measured;
use super::report::Report;
use super::settings;
use crate::cell::one_line;
use crate::commands::{Error, Result};

/// Width and height in pixels.
const SIZE: (u32, u32) = (960, 600);
const FONT: &str = "sans-serif";
const SINGLE: RGBColor = RGBColor(0, 90, 181);
const BATCH: RGBColor = RGBColor(220, 50, 32);
const INK: RGBColor = RGBColor(51, 51, 51);
const GRID: RGBColor = RGBColor(222, 222, 222);

/// A curve: its name, its colour, its points from the lowest recall to the highest.
struct Curve {
    name: String,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

/// Checks, before anything is measured, that a plot can be written there.
pub fn check(path: &Path) -> Result<()> {
    let is_svg = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("svg"));
    if !is_svg {
        let path = path.display();
        return Err(Error::Usage(format!("--plot: expected a FILE.svg, found {path}; name it so")));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match parent.filter(|parent| !parent.is_dir()) {
        Some(parent) => Err(Error::Failed(format!(
            "--plot: expected a directory {}, found none; make it first",
            parent.display()
        ))),
        None => Ok(()),
    }
}

/// Draws the report's settings.
pub fn svg(report: &Report) -> Result<String> {
    let mut svg = String::new();
    draw(report, &SVGBackend::with_string(&mut svg, SIZE).into_drawing_area())
        .map_err(|error| Error::Failed(format!("--plot: cannot draw: {error}")))?;
    Ok(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), DrawingAreaErrorKind<io::Error>>;

fn draw(report: &Report, area: &Area<'_>) -> Drawn {
    let mut settings: Vec<_> = report.settings.iter().collect();
    settings.sort_by(|a, b| a.recall.total_cmp(&b.recall));
    let curves = curves(report, &settings);
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let (x, y) = (Axis::recalls(points().map(|p| p.0)), Axis::rates(points().map(|p| p.1)));

    area.fill(&WHITE)?;
    let name = Path::new(&report.path).file_name().unwrap_or_default().to_string_lossy();
    let title = format!("{}: {}", one_line(&name), report.subject());
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 19).into_font().color(&INK))
        .margin(18)
        .x_label_area_size(48)
        .y_label_area_size(76)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .x_desc(format!("recall@{}, of {} queries", report.k, report.queries))
        .y_desc("queries a second")
        .x_label_formatter(&|recall| ((recall * 1e4).round() / 1e4).to_string())
        .y_label_formatter(&|rate| HumanFloatCount(*rate).to_string())
        .label_style((FONT, 16).into_font().color(&INK))
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()?;
    for Curve { name, color, points } in &curves {
        let color = *color;
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, color.filled())))?;
    }
    // Left of the lower curve and below it is free: curves fall to the right.
    let beside = Pos::new(HPos::Right, VPos::Top);
    let beside = (FONT, 14).into_font().color(&INK).pos(beside);
    chart.draw_series(settings.iter().map(|measured| {
        let place = (measured.recall, measured.single.median);
        EmptyElement::at(place)
            + Text::new(settings::text(measured.effort), (-5, 5), beside.clone())
    }))?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font((FONT, 16).into_font().color(&INK))
        .background_style(WHITE)
        .border_style(GRID)
        .draw()?;
    area.present()
}

fn curves(report: &Report, settings: &[&Measured]) -> [Curve; 2] {
    let points =
        |rate: fn(&Measured) -> f64| settings.iter().map(|m| (m.recall, rate(m))).collect();
    let threads = report.machine.threads;
    [
        Curve {
            name: "1 thread, one query a call".into(),
            color: SINGLE,
            points: points(|measured| measured.single.median),
        },
        Curve {
            name: format!("{threads} threads, all queries in one call"),
            color: BATCH,
            points: points(|measured| measured.batch.median),
        },
    ]
}
