//! The corpus and all its prefixes, without an engine: whatever was found once stays found.

use std::fs;
use std::path::Path;

/// A function that takes the bytes of a connection.
type Target = fn(&[u8]);

#[test]
fn the_corpus_holds() {
    let targets: [(&str, Target); 4] = [
        ("json", rts_fuzz::json),
        ("messagepack", rts_fuzz::messagepack),
        ("handshake", rts_fuzz::handshake),
        ("long-poll", rts_fuzz::long_poll),
    ];
    for (name, target) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let data = fs::read(entry.unwrap().path()).unwrap();
            for end in 0..=data.len() {
                target(&data[..end]);
            }
            count += 1;
        }
        assert!(count >= 5, "{name}: {count}");
    }
}
