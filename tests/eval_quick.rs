//! The benchmark runs on the fixtures from end to end, twice to the same figures, and leaves nothing out silently.
#![allow(clippy::unwrap_used)]

use refrain::Cancel;
use refrain::eval::external::{Claims, Truth, score};
use refrain::eval::{Config, export, run};

#[test]
fn quick_run_on_the_fixtures() {
    let data = tempfile::tempdir().unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/removed")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "jpg" || e == "png") && count < 8 {
            std::fs::copy(&path, data.path().join(path.file_name().unwrap())).unwrap();
            count += 1;
        }
    }
    assert!(count >= 8, "{count} fixtures");
    std::fs::write(data.path().join("broken.jpg"), b"\xff\xd8\xff\xe0 not a picture").unwrap();
    let figures = |threads: usize| {
        let out = tempfile::tempdir().unwrap();
        let mut config = Config::new(data.path(), out.path());
        config.quick = true;
        config.pictures = 3;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut report = pool.install(|| run(&config, &Cancel::new(), &|_| {})).unwrap();
        for name in ["report.json", "recall.csv", "rates.csv", "report.html", "recall.md", "attacks.jpg"] {
            assert!(out.path().join(name).metadata().unwrap().len() > 0, "{name}");
        }
        assert_eq!(report.excluded.len(), 1);
        assert_eq!((report.references, report.strangers), (3, 3));
        // The library's presets find more, in this order, give or take what three references are worth.
        let recall: Vec<f64> = report.methods.iter().take(5).map(|m| m.recall.value).collect();
        assert!(recall.windows(2).all(|pair| pair[0] <= pair[1] + 0.05), "{recall:?}");
        let tables = std::fs::read_to_string(out.path().join("recall.md")).unwrap();
        assert!(tables.contains("a quality below 50 or a stability below 0.85 matches nothing"), "{tables}");
        // One plain hash takes what an entry of a long list takes (docs/format.md), and others as many of it.
        let entry = report.methods[0].bytes;
        assert!((118.0..=131.0).contains(&entry), "{entry}");
        assert!(report.methods.iter().all(|m| (m.bytes - m.entries * entry).abs() < 1e-6));
        report.seconds = 0.0;
        report.micros = 0.0;
        report.methods.iter_mut().for_each(|method| method.micros = 0.0);
        serde_json::to_string(&report).unwrap()
    };
    assert_eq!(figures(1), figures(2));
}

/// Another program that is asked about the exported queries can be scored: here one that knows the answers.
#[test]
fn exported_queries_and_their_truth() {
    let out = tempfile::tempdir().unwrap();
    let mut config = Config::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/removed"), out.path());
    config.quick = true;
    config.pictures = 2;
    export(&config, out.path(), &Cancel::new(), &|_| {}).unwrap();
    let names = |folder: &str| std::fs::read_dir(out.path().join(folder)).unwrap().count();
    let table = std::fs::read_to_string(out.path().join("truth.csv")).unwrap();
    assert_eq!(names("references"), 2);
    assert_eq!(names("queries"), table.lines().count() - 1);
    // What is further apart than 96 bits is not claimed; PDQ's scores are what is left of its radius.
    for (method, lowest) in
        [("PDQ_at_31", 31.0 - 96.0), ("PDQ_at_31__orientations", 31.0 - 96.0), ("img_hash_mean", -96.0)]
    {
        let claims = std::fs::read_to_string(out.path().join(format!("claims/{method}.tsv"))).unwrap();
        let scores: Vec<f64> = claims.lines().map(|line| line.split('\t').nth(2).unwrap().parse().unwrap()).collect();
        assert!(!scores.is_empty() && scores.iter().all(|score| *score >= lowest), "{method}: {scores:?}");
    }
    let mut claims = String::new();
    for line in table.lines().skip(1) {
        let [query, reference, _] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert!(out.path().join("queries").join(query).metadata().unwrap().len() > 0, "{query}");
        if !reference.is_empty() {
            assert!(out.path().join("references").join(reference).is_file(), "{reference}");
            claims.push_str(&format!("{query}\t{reference}\t1\n"));
        }
    }
    let (truth, claims) = (Truth::read(table.as_bytes()).unwrap(), Claims::read(claims.as_bytes()).unwrap());
    let scored = score(&truth, &claims, 1).unwrap();
    assert_eq!((scored.references, scored.unknown, scored.micro_average_precision), (2, 0, 1.0));
    assert!(scored.queries > scored.truths, "strangers are asked as well");
}
