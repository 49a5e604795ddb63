//! Scripts and images that come with the program.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, which may unwrap")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Exit code, and all that was said.
fn fetch(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let script = root().join("scripts/fetch_artifact.sh");
    let output = Command::new(script).args(arguments).current_dir(folder).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code(), said.concat())
}

#[test]
fn the_artifact_is_fetched_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("igniter-b1ff2ab/i-Gniter/Launch/model");
    fs::create_dir_all(inside.join("alexnet_dynamic")).unwrap();
    let plan = r#"{"models":["alexnet_dynamic"],"rates":[500],"slos":[7.5],"resources":[10.0],"batches":[4]}"#;
    fs::write(inside.parent().unwrap().join("config_gpu1.json"), plan).unwrap();
    fs::write(inside.join("alexnet_dynamic/config.pbtxt"), "max_batch_size: 5\n").unwrap();
    fs::write(
        inside.join("fetch_models.sh"),
        "mkdir alexnet_dynamic/1; echo x > alexnet_dynamic/1/model.plan\n",
    )
    .unwrap();
    let archive = folder.path().join("artifact.tar.gz");
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(&archive).arg("-C").arg(folder.path()).arg("igniter-b1ff2ab");
    assert!(tar.status().unwrap().success());
    let url = format!("file://{}", archive.display());
    let from = ["--from", &url, "-o", "got"];

    let (code, said) = fetch(folder.path(), &[&from[..], &["--sha256", &"0".repeat(64)]].concat());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("it was changed, or the transfer failed"), "{said}");
    let left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "only the archive and its source: {left:?}");

    let (code, said) = fetch(folder.path(), &[&from[..], &["--models"]].concat());
    assert_eq!(code, Some(0), "{said}");
    for line in
        ["  ./i-Gniter/Launch/config_gpu1.json", "  ./i-Gniter/Launch/model/alexnet_dynamic"]
    {
        assert!(said.lines().any(|said| said == line), "{said}");
    }
    let sums = fs::read_to_string(folder.path().join("got/SHA256SUMS")).unwrap();
    assert!(sums.contains("  ./i-Gniter/Launch/model/alexnet_dynamic/1/model.plan"), "{sums}");
    // What was printed as the hash is the hash.
    let hash = said.split("sha256 ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let again = ["--from", &url, "-o", "again", "--sha256", &hash];
    assert_eq!(fetch(folder.path(), &again).0, Some(0));

    for (arguments, words) in [
        (&from[..], "is there already"),
        (&["--from", "file:///nowhere.tar.gz", "-o", "new"], "could not fetch it"),
        (&["-o"], "-o needs a value"),
        (&["--sha256", "abc"], "64 digits"),
        (&["--everything"], "unknown argument --everything"),
    ] {
        let (code, said) = fetch(folder.path(), arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    assert!(!folder.path().join("new").exists());
}

/// The instructions of a Dockerfile, each as one line.
fn instructions(name: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("docker").join(name)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let split = |line: &str| {
        let (word, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{name}: {line}"));
        (word.to_owned(), rest.to_owned())
    };
    lines.replace("\\\n", " ").lines().filter(|line| !line.trim().is_empty()).map(split).collect()
}

#[test]
fn images_are_described_in_words_that_docker_knows() {
    for name in ["Dockerfile", "Dockerfile.release"] {
        let mut known: Vec<String> = Vec::new();
        let mut stages = 0;
        for (word, rest) in instructions(name) {
            assert!(
                ["FROM", "ARG", "RUN", "COPY", "LABEL", "WORKDIR", "ENTRYPOINT", "ENV"]
                    .contains(&word.as_str()),
                "{name}: {word}"
            );
            // A variable is one that an ARG before has named.
            for used in rest.split("${").skip(1) {
                let used = used.split('}').next().unwrap();
                assert!(
                    known.iter().any(|name| name == used),
                    "{name}: ${{{used}}} in {word} {rest}"
                );
            }
            if word == "ARG" {
                known.push(rest.split('=').next().unwrap().to_owned());
            } else if word == "FROM" {
                stages += 1;
                // What was named before a stage is not known in it.
                known.clear();
            } else {
                assert!(stages > 0, "{name}: {word} before FROM");
            }
        }
        assert!(stages > 0);
    }
    let image = instructions("Dockerfile");
    let says =
        |word: &str, text: &str| image.iter().any(|(w, rest)| w == word && rest.contains(text));
    assert!(says("FROM", "nvcr.io/nvidia/tritonserver:") && says("RUN", "torchvision=="));
    assert!(says("RUN", "numpy<2"), "else its Python backend delivers empty tensors");
}
