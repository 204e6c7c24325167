//! A 5x7 dot alphabet, so that captions need no font file and look the same everywhere.

use super::picture::{Colour, Picture};
use super::random::Random;

/// Seven rows of five dots for each letter and digit, the left dot in the highest of five bits.
const GLYPHS: [(char, [u8; 7]); 40] = [
    ('A', [0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11]),
    ('B', [0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e]),
    ('C', [0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e]),
    ('D', [0x1e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1e]),
    ('E', [0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f]),
    ('F', [0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10]),
    ('G', [0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0f]),
    ('H', [0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11]),
    ('I', [0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e]),
    ('J', [0x07, 0x02, 0x02, 0x02, 0x02, 0x12, 0x0c]),
    ('K', [0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11]),
    ('L', [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f]),
    ('M', [0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11]),
    ('N', [0x11, 0x19, 0x15, 0x13, 0x11, 0x11, 0x11]),
    ('O', [0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e]),
    ('P', [0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10, 0x10]),
    ('Q', [0x0e, 0x11, 0x11, 0x11, 0x15, 0x12, 0x0d]),
    ('R', [0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11]),
    ('S', [0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e]),
    ('T', [0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04]),
    ('U', [0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e]),
    ('V', [0x11, 0x11, 0x11, 0x11, 0x11, 0x0a, 0x04]),
    ('W', [0x11, 0x11, 0x11, 0x15, 0x15, 0x1b, 0x11]),
    ('X', [0x11, 0x11, 0x0a, 0x04, 0x0a, 0x11, 0x11]),
    ('Y', [0x11, 0x11, 0x0a, 0x04, 0x04, 0x04, 0x04]),
    ('Z', [0x1f, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1f]),
    ('0', [0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e]),
    ('1', [0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e]),
    ('2', [0x0e, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1f]),
    ('3', [0x1e, 0x01, 0x01, 0x0e, 0x01, 0x01, 0x1e]),
    ('4', [0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02]),
    ('5', [0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e]),
    ('6', [0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e]),
    ('7', [0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08]),
    ('8', [0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e]),
    ('9', [0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c]),
    ('.', [0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x0c]),
    ('-', [0x00, 0x00, 0x00, 0x0e, 0x00, 0x00, 0x00]),
    ('@', [0x0e, 0x11, 0x17, 0x15, 0x17, 0x10, 0x0e]),
    ('#', [0x0a, 0x0a, 0x1f, 0x0a, 0x1f, 0x0a, 0x0a]),
];

/// The width of a text of the given letter height, in pixels.
pub fn width(text: &str, height: f64) -> f64 {
    text.chars().count() as f64 * height * 6.0 / 7.0
}

/// Writes a text with its upper left corner at (`x`, `y`), letters `height` pixels high. Unknown letters are left blank.
pub fn write(picture: &mut Picture, text: &str, x: f64, y: f64, height: f64, colour: Colour, opacity: f64) {
    let dot = height / 7.0;
    for (i, letter) in text.to_uppercase().chars().enumerate() {
        let Some((_, rows)) = GLYPHS.iter().find(|glyph| glyph.0 == letter) else { continue };
        let left = x + i as f64 * 6.0 * dot;
        // Pixel by pixel over the letter's box, so that letters of any size have no gaps.
        let (from_x, to_x) = (left.floor().max(0.0) as usize, (left + 5.0 * dot).ceil().max(0.0) as usize);
        let (from_y, to_y) = (y.floor().max(0.0) as usize, (y + height).ceil().max(0.0) as usize);
        for row in from_y..to_y.min(picture.height()) {
            for column in from_x..to_x.min(picture.width()) {
                let (u, v) = ((column as f64 + 0.5 - left) / dot, (row as f64 + 0.5 - y) / dot);
                if u >= 0.0 && v >= 0.0 && u < 5.0 && v < 7.0 && rows[v as usize] >> (4 - u as usize) & 1 == 1 {
                    picture.blend(column, row, colour, opacity);
                }
            }
        }
    }
}

/// Words that mean nothing, `count` of them.
pub fn words(random: &mut Random, count: usize) -> String {
    const SYLLABLES: [&str; 24] = [
        "ka", "re", "mi", "so", "lu", "ten", "par", "vo", "shi", "el", "dra", "no", "qui", "ba", "fer", "on", "gla",
        "ti", "mor", "us", "ja", "wen", "co", "zy",
    ];
    let word = |random: &mut Random| (0..1 + random.below(3)).map(|_| *random.pick(&SYLLABLES)).collect::<String>();
    (0..count).map(|_| word(random)).collect::<Vec<_>>().join(" ")
}

/// Fills a box with lines of words.
pub fn paragraph(picture: &mut Picture, random: &mut Random, area: [f64; 4], height: f64, colour: Colour) {
    let [x, y, w, h] = area;
    let mut top = y;
    while top + height <= y + h {
        let mut line = String::new();
        loop {
            let next = words(random, 1);
            if width(&line, height) + width(&next, height) > w || line.len() > 200 {
                break;
            }
            line.push_str(&next);
            line.push(' ');
        }
        write(picture, &line, x, top, height, colour, 1.0);
        top += height * 1.5;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::picture::{BLACK, WHITE};

    #[test]
    fn an_l_has_a_foot() {
        let mut picture = Picture::new(10, 10, BLACK);
        write(&mut picture, "l", 1.0, 1.0, 7.0, WHITE, 1.0);
        assert_eq!(picture.at(1, 1), WHITE);
        assert_eq!(picture.at(2, 1), BLACK);
        assert_eq!((1..6).filter(|&x| picture.at(x, 7) == WHITE).count(), 5);
        assert_eq!(width("ab", 7.0), 12.0);
    }

    #[test]
    fn words_depend_on_the_seed() {
        assert_eq!(words(&mut Random::new(4), 5), words(&mut Random::new(4), 5));
        assert_eq!(words(&mut Random::new(4), 5).split(' ').count(), 5);
    }
}
