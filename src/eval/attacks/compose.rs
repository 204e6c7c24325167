//! Attacks that put the picture beside or into others.

use super::{Attack, Context, Group};
use crate::eval::picture::{Picture, WHITE};

pub(super) fn attacks() -> Vec<Attack> {
    vec![
        Attack::new("collage_2x1", Group::Collage, |p, c| collage(p, c, 2, 1, 0)),
        Attack::new("collage_1x2", Group::Collage, |p, c| collage(p, c, 1, 2, 0)),
        Attack::new("collage_2x2", Group::Collage, |p, c| collage(p, c, 2, 2, 0)),
        Attack::new("collage_2x2_gaps", Group::Collage, |p, c| collage(p, c, 2, 2, 6)),
        Attack::new("picture_in_picture_half", Group::Collage, |p, c| picture_in_picture(p, c, 0.5)),
        Attack::new("picture_in_picture_70", Group::Collage, |p, c| picture_in_picture(p, c, 0.7)),
    ]
}

/// Equal cells of the picture's own shape, one of them the picture, with white gaps.
fn collage(p: &Picture, context: &mut Context<'_>, columns: usize, rows: usize, gap: usize) -> Picture {
    let scale = 1.0 / columns.max(rows) as f64;
    let cell = p.scale(scale.max(0.5));
    let (w, h) = (cell.width() + gap, cell.height() + gap);
    let mut out = Picture::new(columns * w + gap, rows * h + gap, WHITE);
    let ours = context.random.below(columns * rows);
    for i in 0..columns * rows {
        let (x, y) = (gap + i % columns * w, gap + i / columns * h);
        let shown = if i == ours { cell.clone() } else { context.filler().cover(cell.width(), cell.height()) };
        out.paste(&shown, x as isize, y as isize);
    }
    out
}

/// The picture, smaller, somewhere on an unrelated one.
fn picture_in_picture(p: &Picture, context: &mut Context<'_>, share: f64) -> Picture {
    let mut out = context.filler().cover(p.width(), p.height());
    let small = p.scale(share);
    let x = context.random.below(out.width().saturating_sub(small.width()) + 1);
    let y = context.random.below(out.height().saturating_sub(small.height()) + 1);
    out.paste(&small, x as isize, y as isize);
    out
}
