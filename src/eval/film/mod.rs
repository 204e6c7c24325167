//! The recall benchmark of films: references altered in every way, asked in a store as an upload is.
//!
//! Films are made by the `ffmpeg` command, once, and kept in the folder of results; without the command a run covers
//! stills alone and says so.

mod cards;
mod edit;
mod report;
mod run;
mod template;

pub use edit::{Clip, Edit, Part};
pub use report::{Baseline, Border, FilmAttackReport, FilmReport, RetroReport, TemplateReport, html, markdown};
pub use run::measure;
pub use template::FilmTemplate;
