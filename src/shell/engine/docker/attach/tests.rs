use super::*;

#[test]
fn frames_come_apart_wherever_they_are_cut() {
    let mut wire = Vec::new();
    for (kind, text) in [(1, &b"out\x01\x00\x02"[..]), (2, b"err"), (1, b""), (1, &[0, 1, 2, 3])] {
        wire.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, u8::try_from(text.len()).unwrap()]);
        wire.extend_from_slice(text);
    }
    for size in 1..=wire.len() {
        let mut frames = Frames::default();
        let (mut output, mut error) = (Vec::new(), Vec::new());
        for piece in wire.chunks(size) {
            for (target, bytes) in frames.split(piece).unwrap() {
                match target {
                    Target::Output => output.extend_from_slice(bytes),
                    Target::Error => error.extend_from_slice(bytes),
                }
            }
        }
        assert_eq!((output.as_slice(), error.as_slice()), (&b"out\x01\x00\x02\x00\x01\x02\x03"[..], &b"err"[..]), "in pieces of {size}");
    }
}

#[test]
fn what_is_not_in_frames_is_an_error() {
    assert!(Frames::default().split(b"hello world").is_err());
    assert!(Frames::default().split(&[7, 0, 0, 0, 0, 0, 0, 1, 65]).is_err());
}
