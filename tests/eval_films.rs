//! The benchmark of films runs on the fixtures from end to end, to the same figures on one thread and on two.
#![allow(clippy::unwrap_used)]

use refrain::Cancel;
use refrain::eval::Config;
use refrain::eval::data::Data;
use refrain::eval::film;
use refrain::fingerprint::RECIPE;

#[test]
fn quick_run_on_the_films_of_the_fixtures() {
    // A name that the folder of results has as well.
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("films");
    std::fs::create_dir(&data).unwrap();
    let mut table = String::from("file,split\n");
    for (folder, split) in [("removed", "index"), ("uploads", "distractor")] {
        let films = std::fs::read_dir(format!("{}/fixtures/{folder}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let mut films: Vec<_> = films.map(|entry| entry.unwrap().path()).collect();
        films.retain(|path| path.extension().is_some_and(|e| e == "mp4"));
        // Of the uploads only those that are no copies.
        films.retain(|path| folder == "removed" || path.file_name().unwrap().to_str().unwrap().starts_with("other"));
        films.sort();
        for path in films.into_iter().take(2) {
            let name = format!("{split}-{}", path.file_name().unwrap().to_str().unwrap());
            std::fs::copy(&path, data.join(&name)).unwrap();
            table.push_str(&format!("{name},{split}\n"));
        }
    }
    std::fs::write(data.join("MANIFEST.csv"), table).unwrap();
    std::fs::write(data.join("broken.mp4"), b"\0\0\0\x18ftypisom\0\0\x02\0isomavc1 and nothing more").unwrap();
    let names = |folder: &std::path::Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let media = names(&data);
    let figures = |threads: usize| {
        let out = tempfile::tempdir().unwrap();
        let mut config = Config::new(&data, out.path());
        config.quick = true;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (report, excluded) = pool.install(|| {
            let mut files = Data::open(&config.data, &config.out, &Cancel::new()).unwrap();
            (film::measure(&config, &mut files, &Cancel::new(), &|_| ()).unwrap(), files.excluded)
        });
        let mut report = report?;
        assert_eq!(names(&data), media, "the folder of media is not written to");
        let kept = names(&out.path().join("films"));
        let (sources, made): (Vec<&String>, Vec<&String>) =
            kept.iter().filter(|name| name.ends_with(".print")).partition(|name| name.starts_with("source-"));
        assert_eq!(sources.len(), 4, "{kept:?}");
        assert!(
            !made.is_empty()
                && made.iter().all(|name| name.len() == format!("0123456789abcdef0123.{RECIPE}.print").len()),
            "{made:?}"
        );
        assert!(excluded.iter().any(|file| file.name == "broken.mp4"), "{excluded:?}");
        assert_eq!((report.references, report.altered), (2, 2));
        let found = |name: &str| report.attacks.iter().find(|attack| attack.name == name).unwrap().found;
        assert_eq!(found("bitrate_low"), 1.0, "{:?}", report.attacks);
        assert!(!report.retro.incomplete.contains_key("bitrate_low"), "{:?}", report.retro);
        report.seconds = 0.0;
        report.millis = 0.0;
        report.retro.millis = 0.0;
        Some(serde_json::to_string(&report).unwrap())
    };
    let Some(one) = figures(1) else {
        println!("skipped: there is no ffmpeg command");
        return;
    };
    assert_eq!(Some(one), figures(2));
}
