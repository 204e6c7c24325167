//! A contact sheet: small pictures in a grid, each with its name, for the documents.

use super::font;
use super::picture::{BLACK, Picture, WHITE};

/// Pictures with their names under them, `columns` side by side, each cell `side` pixels wide and high without its name.
pub fn sheet<'a>(items: impl IntoIterator<Item = (&'a str, Picture)>, columns: usize, side: usize) -> Picture {
    let items: Vec<_> = items.into_iter().collect();
    let columns = columns.max(1);
    let (cell_w, cell_h) = (side + 8, side + 20);
    let mut out = Picture::new(columns * cell_w, items.len().div_ceil(columns).max(1) * cell_h, WHITE);
    for (i, (name, picture)) in items.iter().enumerate() {
        let (x, y) = (i % columns * cell_w, i / columns * cell_h);
        let small = picture.fit(side, side);
        out.paste(&small, (x + (cell_w - small.width()) / 2) as isize, (y + side + 4 - small.height()) as isize);
        let letters = 7.0f64.min(side as f64 * 7.0 / 6.0 / name.len().max(1) as f64);
        font::write(&mut out, &name.replace('_', "-"), (x + 4) as f64, (y + side + 8) as f64, letters, BLACK, 1.0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size() {
        let out = sheet([("a", Picture::new(10, 20, BLACK)), ("b", Picture::new(10, 20, BLACK))], 3, 50);
        assert_eq!((out.width(), out.height()), (3 * 58, 70));
    }
}
