//! What becomes of a child's output.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::fs::MetadataExt, unix::fs::PermissionsExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use proptest::prelude::*;
use rustix::fs::OFlags;
use sidecar_wrapper::relay::{self, Destination, Level, Output, Relay, RelayError, Stream};

/// More than any of this takes; a test that hangs fails.
const LONG: Duration = Duration::from_mins(2);

/// A program that reads what an output writes to a pipe.
struct Reader(JoinHandle<Vec<u8>>);

impl Reader {
    fn start(pipe: OwnedFd) -> Self {
        Self(thread::spawn(move || {
            let mut read = Vec::new();
            File::from(pipe).read_to_end(&mut read).expect("a pipe");
            read
        }))
    }

    fn read(self) -> Vec<u8> {
        self.0.join().expect("no panic")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Journal,
}

fn journal_stream(pipe: &OwnedFd) -> OsString {
    let stat = rustix::fs::fstat(pipe).expect("open");
    format!("{}:{}", stat.st_dev, stat.st_ino).into()
}

/// An output to a pipe, and the pipe's other end.
fn to_pipe(form: Form) -> (Arc<Output>, OwnedFd) {
    let (reader, writer) = relay::pipe().expect("a pipe");
    let journal = (form == Form::Journal).then(|| journal_stream(&writer));
    (Output::from_fd("stdout", writer, journal.as_deref()).expect("open"), reader)
}

fn to_file(path: &Path) -> Arc<Output> {
    Output::open(&Destination::File(path.to_owned()), None).expect("to be opened")
}

/// A run's stream, and the child's end of it.
fn start(stream: Stream, output: &Arc<Output>, fallback: &Arc<Output>) -> (Relay, File) {
    let (reader, writer) = relay::pipe().expect("a pipe");
    let relay = Relay::start(reader, stream, Arc::clone(output), Arc::clone(fallback)).expect("a thread");
    (relay, File::from(writer))
}

/// What comes out when these chunks are written one by one.
fn relayed(form: Form, chunks: &[Vec<u8>]) -> Vec<u8> {
    let (output, reader) = to_pipe(form);
    let reader = Reader::start(reader);
    let (mut relay, mut child) = start(Stream::Stdout, &output, &output);
    for chunk in chunks {
        child.write_all(chunk).expect("read by the relay");
    }
    drop(child);
    assert!(relay.finish(LONG));
    drop(output);
    reader.read()
}

/// Without the level of each line, which must be there.
fn without_levels(text: &[u8]) -> Vec<u8> {
    text.split_inclusive(|&byte| byte == b'\n')
        .flat_map(|line| {
            assert!(line.starts_with(b"<") && line[1].is_ascii_digit() && line[2] == b'>', "{line:?}");
            &line[3..]
        })
        .copied()
        .collect()
}

/// What a log must have of these bytes.
fn as_lines(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut all = chunks.concat();
    if all.last().is_some_and(|&byte| byte != b'\n') {
        all.push(b'\n');
    }
    all
}

/// Chunks that are likely to meet every edge: of lines, of levels, of the buffers.
fn chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let piece = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..40),
        3 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"\n\n\0\n".to_vec()),
        1 => Just(b"<3>text\n".to_vec()),
        1 => Just(b"[2026-11-26 02:43:24.123][1][error][main] text\n".to_vec()),
        1 => Just(b"panic: \n".to_vec()),
        1 => (0_usize..70_000).prop_map(|length| vec![b'x'; length]),
        1 => (0_usize..9_000).prop_map(|lines| vec![b'\n'; lines]),
        1 => (32_760_usize..32_772).prop_map(|length| [vec![b'y'; length], b"\n".to_vec()].concat()),
        1 => (65_530_usize..65_540).prop_map(|length| [vec![b'z'; length], b"\n".to_vec()].concat()),
    ];
    proptest::collection::vec(piece, 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_byte_comes_out_as_it_went_in(chunks in chunks()) {
        let expected = as_lines(&chunks);
        prop_assert!(relayed(Form::Plain, &chunks) == expected);
        prop_assert!(without_levels(&relayed(Form::Journal, &chunks)) == expected);
    }
}

#[test]
fn the_journal_learns_each_lines_level() {
    let text = concat!(
        "2026-11-26T02:43:24.123456Z\tinfo\tEnvoy command: [-c etc]\n",
        "{\"time\":\"2026-11-26T02:43:24.123456Z\",\"level\":\"warn\"}\n",
        "[2026-11-26T02:43:24.123Z] \"GET / HTTP/1.1\" 200 -\n",
        "\n",
        "<3>text\r\n",
        "[2026-11-26 02:43:24.123][1][critical][main] text\n",
        "  more",
    );
    let expected = concat!(
        "<6>2026-11-26T02:43:24.123456Z\tinfo\tEnvoy command: [-c etc]\n",
        "<4>{\"time\":\"2026-11-26T02:43:24.123456Z\",\"level\":\"warn\"}\n",
        "<6>[2026-11-26T02:43:24.123Z] \"GET / HTTP/1.1\" 200 -\n",
        "<6>\n",
        "<6><3>text\r\n",
        "<2>[2026-11-26 02:43:24.123][1][critical][main] text\n",
        "<2>  more\n",
    );
    assert_eq!(String::from_utf8_lossy(&relayed(Form::Journal, &[text.into()])), expected);
    let (output, reader) = to_pipe(Form::Journal);
    let (mut relay, mut child) = start(Stream::Stderr, &output, &output);
    child.write_all(b"plain\n").expect("read by the relay");
    drop(child);
    assert!(relay.finish(LONG));
    output.say(Level::Notice, "two\nlines");
    drop((relay, output));
    assert_eq!(Reader::start(reader).read(), b"<4>plain\n<5>sidecar-wrapper: two\n<5>sidecar-wrapper: lines\n");
}

#[test]
fn another_pipes_identity_is_not_the_journals() {
    let (_reader, other) = relay::pipe().expect("a pipe");
    for value in [journal_stream(&other), "".into(), "1".into(), "1:x".into(), ":".into()] {
        let (reader, writer) = relay::pipe().expect("a pipe");
        let output = Output::from_fd("stdout", writer, Some(&value)).expect("open");
        output.say(Level::Error, "text");
        drop(output);
        assert_eq!(Reader::start(reader).read(), b"sidecar-wrapper: text\n", "{value:?}");
    }
}

#[test]
fn a_line_is_there_as_soon_as_it_ends() {
    for form in [Form::Plain, Form::Journal] {
        let (output, reader) = to_pipe(form);
        let mut reader = File::from(reader);
        let (mut relay, mut child) = start(Stream::Stdout, &output, &output);
        for _ in 0..20 {
            child.write_all(b"one\ntwo").expect("read by the relay");
            let mut read = [0; 64];
            let count = reader.read(&mut read).expect("a pipe");
            assert!(read[..count].ends_with(b"one\n"), "{:?}", &read[..count]);
            child.write_all(b"\n").expect("read by the relay");
            let count = reader.read(&mut read).expect("a pipe");
            assert!(read[..count].ends_with(b"two\n"), "{:?}", &read[..count]);
        }
        drop(child);
        assert!(relay.finish(LONG));
    }
}

#[test]
fn the_newest_error_is_kept_without_what_continues_it() {
    let (output, reader) = to_pipe(Form::Plain);
    let reader = Reader::start(reader);
    let (mut relay, mut child) = start(Stream::Stderr, &output, &output);
    assert_eq!(relay.last_error(), None);
    let long = "x".repeat(600);
    let text = format!(
        "2026-11-26T02:43:24.123456Z\terror\tfirst\nplain\npanic: \u{fffd}{long}\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:1\n"
    );
    child.write_all(text.as_bytes()).expect("read by the relay");
    child.write_all(b"2026-11-26T02:43:24.123456Z\tinfo\tlast\n").expect("read by the relay");
    drop(child);
    assert!(relay.finish(LONG));
    let error = relay.last_error().expect("an error");
    assert!(error.starts_with("panic: \u{fffd}xxx") && error.len() == 512, "{error}");
    drop((relay, output));
    assert_eq!(reader.read().len(), text.len() + "2026-11-26T02:43:24.123456Z\tinfo\tlast\n".len());
}

#[test]
fn an_error_that_is_no_utf8_stays_short() {
    let (output, reader) = to_pipe(Form::Plain);
    let (mut relay, mut child) = start(Stream::Stderr, &output, &output);
    child.write_all(b"panic: ").and_then(|()| child.write_all(&[0xff; 600])).expect("read by the relay");
    drop(child);
    assert!(relay.finish(LONG));
    let error = relay.last_error().expect("an error");
    assert!(error.len() <= 512 && error.len() > 500 && error.starts_with("panic: \u{fffd}"), "{error}");
    drop(reader);
}

#[test]
fn two_streams_and_the_wrapper_never_mix_within_lines() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("log");
    let output = to_file(&path);
    let streams = [(Stream::Stdout, b'a'), (Stream::Stderr, b'b')].map(|(stream, letter)| {
        let (mut relay, mut child) = start(stream, &output, &output);
        thread::spawn(move || {
            for number in 0_usize..3000 {
                let line = [vec![letter; 1 + number * 7 % 300], b"\n".to_vec()].concat();
                let (head, tail) = line.split_at(line.len() / 2);
                // In two parts, so that batches end inside lines.
                child.write_all(head).and_then(|()| child.write_all(tail)).expect("read by the relay");
            }
            drop(child);
            assert!(relay.finish(LONG));
        })
    });
    for _ in 0..100 {
        output.say(Level::Info, "text");
        thread::sleep(Duration::from_millis(1));
    }
    for stream in streams {
        stream.join().expect("no panic");
    }
    let log = fs::read_to_string(&path).expect("written");
    let mut counts = [0, 0, 0];
    let mut lengths = [0, 0];
    for line in log.lines() {
        let kind = match line.as_bytes() {
            b"sidecar-wrapper: text" => 2,
            [b'a', rest @ ..] if rest.iter().all(|&byte| byte == b'a') => 0,
            [b'b', rest @ ..] if rest.iter().all(|&byte| byte == b'b') => 1,
            _ => panic!("mixed: {line}"),
        };
        counts[kind] += 1;
        if let Some(length) = lengths.get_mut(kind) {
            *length += line.len();
        }
    }
    let all = (0..3000).map(|number| 1 + number * 7 % 300).sum::<usize>();
    assert_eq!((counts, lengths), ([3000, 3000, 100], [all, all]));
}

#[test]
fn a_line_of_megabytes_is_broken_only_for_who_has_waited() {
    for form in [Form::Plain, Form::Journal] {
        let (output, reader) = to_pipe(form);
        let reader = Reader::start(reader);
        let (mut relay, mut child) = start(Stream::Stdout, &output, &output);
        child.write_all(&vec![b'x'; 3 << 20]).expect("read by the relay");
        // What is left of the line does not come as long as this waits for it.
        output.say(Level::Info, "text");
        child.write_all(b"yy\nz\n").expect("read by the relay");
        drop(child);
        assert!(relay.finish(LONG));
        drop((relay, output));
        let read = String::from_utf8(reader.read()).expect("letters");
        let lines: Vec<_> = read.lines().collect();
        let level = if form == Form::Journal { "<6>" } else { "" };
        assert_eq!(lines[1], format!("{level}sidecar-wrapper: text"));
        let rest = lines[2].strip_prefix(level).expect("a line of its own");
        assert_eq!(lines[0].len() - level.len() + rest.len(), (3 << 20) + 2);
        assert!(rest.trim_start_matches('x') == "yy");
        assert_eq!(lines[3..], [format!("{level}z")]);
    }
}

#[test]
fn nobody_breaks_a_long_line_that_ends_soon() {
    let (output, reader) = to_pipe(Form::Plain);
    let mut reader = File::from(reader);
    let (mut relay, mut child) = start(Stream::Stdout, &output, &output);
    child.write_all(&vec![b'x'; 200_000]).expect("read by the relay");
    reader.read_exact(&mut [0; 1000]).expect("the start of the line");
    let reader = Reader::start(reader.into());
    let said = {
        let output = Arc::clone(&output);
        thread::spawn(move || output.say(Level::Info, "text"))
    };
    thread::sleep(Duration::from_millis(30));
    child.write_all(b"\n").expect("read by the relay");
    said.join().expect("no panic");
    drop(child);
    assert!(relay.finish(LONG));
    drop((relay, output));
    let read = String::from_utf8(reader.read()).expect("letters");
    assert_eq!(read.lines().map(str::len).collect::<Vec<_>>(), [199_000, "sidecar-wrapper: text".len()]);
}

#[test]
fn lines_are_neither_lost_nor_doubled_when_the_file_is_opened_again() {
    const LINES: usize = 200_000;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("log");
    let output = to_file(&path);
    let (mut relay, child) = start(Stream::Stdout, &output, &output);
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let done = Arc::clone(&done);
        thread::spawn(move || {
            let mut child = io::BufWriter::with_capacity(5000, child);
            for number in 0..LINES {
                writeln!(child, "{number}").expect("read by the relay");
            }
            drop(child);
            done.store(true, Ordering::SeqCst);
        })
    };
    let mut rotated = 0;
    while !done.load(Ordering::SeqCst) || rotated < 3 {
        fs::rename(&path, dir.path().join(format!("log.{rotated}"))).expect("there");
        rotated += 1;
        output.reopen().expect("to be opened");
        thread::sleep(Duration::from_millis(1));
    }
    writer.join().expect("no panic");
    assert!(relay.finish(LONG));
    let files = (0..rotated).map(|number| format!("log.{number}")).chain(["log".to_owned()]);
    let all: String = files.map(|name| fs::read_to_string(dir.path().join(name)).expect("whole lines")).collect();
    assert!(all.lines().enumerate().all(|(number, line)| line == number.to_string()));
    assert_eq!(all.lines().count(), LINES);
}

#[test]
fn a_line_that_is_too_long_goes_on_in_the_new_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("log");
    let output = to_file(&path);
    let (mut relay, mut child) = start(Stream::Stdout, &output, &output);
    child.write_all(&vec![b'x'; 150_000]).expect("read by the relay");
    let since = Instant::now();
    while fs::metadata(&path).expect("made").len() < 150_000 {
        assert!(since.elapsed() < LONG);
        thread::sleep(Duration::from_millis(2));
    }
    fs::rename(&path, dir.path().join("log.1")).expect("there");
    output.reopen().expect("to be opened");
    child.write_all(b"yy\n").expect("read by the relay");
    drop(child);
    assert!(relay.finish(LONG));
    let old = fs::read_to_string(dir.path().join("log.1")).expect("written");
    assert_eq!((old.len(), old.ends_with("x\n")), (150_001, true));
    assert_eq!(fs::read_to_string(&path).expect("written"), "yy\n");
}

#[test]
fn a_file_that_cannot_be_opened_again_stays() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("folder/log");
    fs::create_dir(dir.path().join("folder")).expect("free");
    let output = to_file(&path);
    assert_eq!(fs::metadata(&path).expect("made").permissions().mode() & 0o7777, 0o640);
    fs::rename(dir.path().join("folder"), dir.path().join("moved")).expect("there");
    let error = output.reopen().expect_err("no folder");
    assert_eq!(error.to_string(), format!("cannot open {} for the log", path.display()));
    let hint = format!("make the directory {} first", dir.path().join("folder").display());
    assert_eq!(error.hint(), Some(hint));
    output.say(Level::Info, "still here");
    let log = fs::read_to_string(dir.path().join("moved/log")).expect("written");
    let expected = format!(
        "sidecar-wrapper: cannot open {} for the log: No such file or directory (os error 2); the lines stay in the file that was open\nsidecar-wrapper: still here\n",
        path.display()
    );
    assert_eq!(log, expected);
}

#[test]
fn folders_sockets_and_pipes_without_a_reader_are_refused_at_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let open = |path: &Path| Output::open(&Destination::File(path.to_owned()), None);
    assert!(matches!(open(dir.path()), Err(RelayError::NotAFile { .. })));
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("free");
    assert!(matches!(open(&socket), Err(RelayError::NotAFile { .. })));
    let pipe = dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("free");
    assert!(matches!(open(&pipe), Err(RelayError::NoReader { .. })));
    let reader = rustix::fs::open(&pipe, OFlags::RDONLY | OFlags::NONBLOCK, 0.into()).expect("there");
    open(&pipe).expect("it has a reader").say(Level::Info, "text");
    let mut read = String::new();
    File::from(reader).read_to_string(&mut read).expect("no writer any more");
    assert_eq!(read, "sidecar-wrapper: text\n");
}

#[test]
fn outputs_of_one_file_are_one() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let [file, other] = ["log", "other"].map(|name| Destination::File(dir.path().join(name)));
    std::os::unix::fs::symlink("log", dir.path().join("link")).expect("free");
    let link = Destination::File(dir.path().join("link"));
    let [a, b, c] = Output::open_all([&file, &other, &link], None).expect("to be opened");
    assert!(Arc::ptr_eq(&a, &c) && !Arc::ptr_eq(&a, &b));
    let [a, b] =
        Output::open_all([&Destination::Stderr, &Destination::named("/dev/stderr".into())], None).expect("open");
    assert!(Arc::ptr_eq(&a, &b));
}

#[test]
fn without_a_reader_the_child_goes_on_and_the_fallback_says_what_was_lost() {
    for form in [Form::Plain, Form::Journal] {
        let (output, reader) = to_pipe(form);
        let (fallback, words) = to_pipe(Form::Plain);
        let words = Reader::start(words);
        let (mut relay, mut child) = start(Stream::Stdout, &output, &fallback);
        drop(reader);
        child.write_all("0123456789\n".repeat(50_000).as_bytes()).expect("read by the relay");
        drop(child);
        assert!(relay.finish(LONG));
        drop((relay, output, fallback));
        let words = String::from_utf8(words.read()).expect("text");
        assert_eq!(
            words,
            "sidecar-wrapper: cannot write to stdout: Broken pipe (os error 32); its lines are dropped\n\
             sidecar-wrapper: stdout still takes nothing; lines dropped so far: 50000\n"
        );
    }
}

#[test]
fn without_any_reader_the_child_goes_on() {
    for form in [Form::Plain, Form::Journal] {
        let (output, reader) = to_pipe(form);
        let (mut relay, mut child) = start(Stream::Stderr, &output, &output);
        drop(reader);
        child.write_all(&vec![b'\n'; 3 << 20]).expect("read by the relay");
        drop(child);
        assert!(relay.finish(LONG));
        output.say(Level::Error, "nobody hears this");
    }
}

#[test]
fn lines_that_a_full_file_does_not_take_go_to_the_fallback() {
    for form in [Form::Plain, Form::Journal] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("log");
        std::os::unix::fs::symlink("/dev/full", &path).expect("free");
        let output = to_file(&path);
        let (fallback, words) = to_pipe(form);
        let words = Reader::start(words);
        let (mut relay, mut child) = start(Stream::Stderr, &output, &fallback);
        child.write_all(b"2026-11-26T02:43:24.123456Z\terror\tfirst\n\tmore\n").expect("read by the relay");
        thread::sleep(Duration::from_millis(100));
        child.write_all(b"plain\nlast\n").expect("read by the relay");
        thread::sleep(Duration::from_millis(100));
        fs::remove_file(&path).expect("there");
        output.reopen().expect("to be opened");
        child.write_all(b"again\n").expect("read by the relay");
        drop(child);
        assert!(relay.finish(LONG));
        drop((relay, output, fallback));
        assert_eq!(fs::read_to_string(&path).expect("made"), "again\n");
        let expected = format!(
            "<3>sidecar-wrapper: cannot write to {path}: No space left on device (os error 28); its lines follow here\n\
             <3>2026-11-26T02:43:24.123456Z\terror\tfirst\n<3>\tmore\n<4>plain\n<4>last\n\
             <5>sidecar-wrapper: {path} can be written to again; lines that went elsewhere meanwhile: 4, lines dropped: 0\n",
            path = path.display()
        );
        let words = words.read();
        let words = if form == Form::Journal { words } else { [&b"<3>"[..], &words].concat() };
        let words = String::from_utf8(words).expect("text");
        if form == Form::Journal {
            assert_eq!(words, expected);
        } else {
            let plain: String = expected.split_inclusive('\n').map(|line| &line[3..]).collect();
            assert_eq!(words[3..], plain);
        }
    }
}

#[test]
fn a_slow_reader_gets_everything() {
    let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).expect("small enough");
    // As a supervisor with an event loop may hand it down.
    rustix::fs::fcntl_setfl(&writer, OFlags::NONBLOCK).expect("open");
    let output = Output::from_fd("stdout", writer, None).expect("open");
    let reader = thread::spawn(move || {
        let (mut reader, mut all, mut part) = (File::from(reader), Vec::new(), vec![0; 10_000]);
        loop {
            match reader.read(&mut part).expect("a pipe") {
                0 => return all,
                count => all.extend_from_slice(&part[..count]),
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    let (mut relay, mut child) = start(Stream::Stdout, &output, &output);
    let text: String =
        (0..30_000).flat_map(|number| ["line ".to_owned(), number.to_string(), "\n".to_owned()]).collect();
    child.write_all(text.as_bytes()).expect("read by the relay");
    drop(child);
    assert!(relay.finish(LONG));
    drop((relay, output));
    assert!(reader.join().expect("no panic") == text.as_bytes());
}

#[test]
fn the_wrapper_is_not_held_up_by_a_reader_that_stalls_and_is_heard_later() {
    let (output, reader) = to_pipe(Form::Plain);
    let (mut relay, mut child) = start(Stream::Stdout, &output, &output);
    let lines = "0123456789\n".repeat(500_000);
    let writer = thread::spawn(move || child.write_all(lines.as_bytes()).expect("read by the relay"));
    // Until the pipe is full.
    thread::sleep(Duration::from_millis(300));
    let since = Instant::now();
    output.say(Level::Error, "text");
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    let reader = Reader::start(reader);
    writer.join().expect("no panic");
    assert!(relay.finish(LONG));
    drop((relay, output));
    let read = String::from_utf8(reader.read()).expect("text");
    assert_eq!(read.lines().filter(|&line| line == "0123456789").count(), 500_000);
    assert_eq!(read.lines().filter(|&line| line == "sidecar-wrapper: text").count(), 1);
    assert_eq!(read.lines().count(), 500_001);
}

#[test]
fn what_was_not_said_in_time_needs_no_further_line_to_be_said() {
    let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).expect("small enough");
    let output = Output::from_fd("stdout", writer, None).expect("open");
    let (_relay, mut child) = start(Stream::Stdout, &output, &output);
    let lines = "0123456789\n".repeat(1000);
    child.write_all(lines.as_bytes()).expect("read by the relay");
    thread::sleep(Duration::from_millis(100));
    output.say(Level::Error, "text");
    let mut all = vec![0; lines.len() + "sidecar-wrapper: text\n".len()];
    let (read, done) = mpsc::channel();
    thread::spawn(move || {
        File::from(reader).read_exact(&mut all).expect("a pipe");
        read.send(all)
    });
    let all = done.recv_timeout(Duration::from_secs(20)).expect("all of it");
    assert!(String::from_utf8(all).expect("text").contains("0123456789\nsidecar-wrapper: text\n"));
}

#[test]
fn a_reader_that_stalls_is_not_waited_for_at_the_end() {
    let (output, reader) = to_pipe(Form::Journal);
    let (mut relay, mut child) = start(Stream::Stdout, &output, &output);
    let writer = thread::spawn(move || child.write_all(&vec![b'\n'; 8 << 20]).expect("read by the relay"));
    // Until the pipe is full.
    thread::sleep(Duration::from_millis(300));
    let since = Instant::now();
    assert!(!relay.finish(Duration::from_millis(10)));
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    drop(reader);
    writer.join().expect("no panic");
    assert!(relay.finish(LONG));
}

#[test]
fn a_process_that_keeps_the_pipe_is_not_waited_for_and_is_still_heard() {
    let (output, reader) = to_pipe(Form::Plain);
    let mut reader = File::from(reader);
    let (mut relay, mut child) = start(Stream::Stdout, &output, &output);
    child.write_all(b"begun").expect("read by the relay");
    assert!(!relay.finish(Duration::from_millis(20)));
    let mut read = [0; 64];
    let count = reader.read(&mut read).expect("a pipe");
    assert_eq!(&read[..count], b"begun\n");
    drop(relay);
    child.write_all(b"later\n").expect("read by the relay");
    let count = reader.read(&mut read).expect("a pipe");
    assert_eq!(&read[..count], b"later\n");
}

#[test]
fn a_million_lines_are_a_million_lines() {
    const LINES: usize = 1_000_000;
    let line = format!("[2026-11-26 02:43:24.123][1234][info][main] {}\n", "x".repeat(56));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = to_file(&dir.path().join("log"));
    let (journal, reader) = to_pipe(Form::Journal);
    let counter = thread::spawn(move || {
        let (mut reader, mut part, mut lines, mut bytes) = (File::from(reader), vec![0; 1 << 20], 0, 0);
        loop {
            match reader.read(&mut part).expect("a pipe") {
                0 => return (lines, bytes),
                count => {
                    lines += memchr::memchr_iter(b'\n', &part[..count]).count();
                    bytes += count;
                }
            }
        }
    });
    for output in [&journal, &file] {
        let since = Instant::now();
        let (mut relay, mut child) = start(Stream::Stdout, output, output);
        let batch = line.repeat(1000);
        (0..LINES / 1000).for_each(|_| child.write_all(batch.as_bytes()).expect("read by the relay"));
        drop(child);
        assert!(relay.finish(LONG));
        println!("{LINES} lines in {:?}", since.elapsed());
    }
    drop(journal);
    assert_eq!(counter.join().expect("no panic"), (LINES, LINES * (line.len() + 3)));
    assert_eq!(fs::metadata(dir.path().join("log")).expect("written").size(), (LINES * line.len()) as u64);
}
