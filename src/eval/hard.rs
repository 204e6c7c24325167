//! Hard distractors against lists of their own kind: innocent queries that match something there.

use std::path::Path;

use rayon::prelude::*;

use super::data::{Still, load};
use super::distractors::{Synthetic, Template, synthetic};
use super::list::{Asked, Known, List};
use super::method::Method;
use super::picture::Picture;
use crate::cancel::Cancel;
use crate::error::Result;

/// Innocent queries of one kind of hard distractor, and how many of them matched something under each method.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, bincode::Encode, bincode::Decode)]
pub struct Hard {
    /// The template or the kind of picture.
    pub name: String,
    /// References in the list.
    pub list: usize,
    /// Queries.
    pub queries: usize,
    /// Queries that matched something, for each library method.
    pub hits: Vec<usize>,
}

/// How many pictures are taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// References in each template; all templates are in one list.
    pub(super) templated: usize,
    /// References of each kind of generated picture, and as many queries.
    pub(super) generated: usize,
}

impl Size {
    /// 360 references in templates.
    pub(super) const FULL: Self = Self { templated: 72, generated: 60 };
    /// A check of the machinery.
    pub(super) const QUICK: Self = Self { templated: 4, generated: 4 };
}

/// References in templates, other pictures in the same templates as queries; generated pictures of each kind in a list
/// of their own, others of the kind as queries.
pub(super) fn hard(
    seed: u64,
    references: &[Still],
    strangers: &[Still],
    size: Size,
    folder: &Path,
    cancel: &Cancel,
) -> Result<Vec<Hard>> {
    let in_template = |still: &Still, template: Template| -> Result<Picture> {
        cancel.check()?;
        Ok(template.apply(&load(&still.path)?, &still.name, seed))
    };
    let chosen = &references[..references.len().min(size.templated)];
    let known: Vec<Known> = chosen
        .par_iter()
        .flat_map_iter(|still| Template::ALL.map(|template| to_known(&in_template(still, template)?)))
        .collect::<Result<_>>()?;
    let list = List::new(&known, folder, cancel)?;
    let mut out = Vec::new();
    for template in Template::ALL {
        let queries = strangers.par_iter().map(|still| in_template(still, template));
        out.push(counted(template.name(), &list, queries)?);
    }
    drop(list);
    remove(folder);
    for kind in Synthetic::ALL {
        let picture = |number: usize| synthetic(kind, number, seed);
        let known: Vec<Known> =
            (0..size.generated).into_par_iter().map(|i| to_known(&picture(i))).collect::<Result<_>>()?;
        let list = List::new(&known, folder, cancel)?;
        let queries = (size.generated..2 * size.generated).into_par_iter().map(|i| Ok(picture(i)));
        out.push(counted(kind.name(), &list, queries)?);
        drop(list);
        remove(folder);
    }
    Ok(out)
}

/// A list's folder is there only if the list was a long one.
pub(super) fn remove(folder: &Path) {
    let _ = std::fs::remove_dir_all(folder);
}

fn to_known(picture: &Picture) -> Result<Known> {
    Ok(Known::new(&picture.to_pixels()?.as_pixels(), false))
}

fn counted(name: &str, list: &List, queries: impl IndexedParallelIterator<Item = Result<Picture>>) -> Result<Hard> {
    let hits: Vec<[bool; Method::LIBRARY.len()]> = queries
        .map(|picture| {
            let mut hit = [false; Method::LIBRARY.len()];
            for compared in list.ask(&Asked::new(&picture?.to_pixels()?.as_pixels()))? {
                hit.iter_mut().zip(compared.whole_search).for_each(|(hit, score)| *hit |= score >= 0.0);
            }
            Ok(hit)
        })
        .collect::<Result<_>>()?;
    let sum = |m: usize| hits.iter().filter(|hit| hit[m]).count();
    Ok(Hard {
        name: name.into(),
        list: list.len(),
        queries: hits.len(),
        hits: (0..Method::LIBRARY.len()).map(sum).collect(),
    })
}
