use super::*;
use std::fs;

fn object(name: &'static str) -> Object {
    Object { name, bytes: name.as_bytes().to_vec() }
}

fn key(n: u32) -> Key {
    Key::new(&format!("1.2.{n}"), "ab")
}

fn names(root: &Path, folder: &str) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_image_goes_through_and_comes_back_to_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path(), 100).unwrap();
    assert_eq!(queue.put(&key(1), b"image").unwrap(), Put::New);
    assert_eq!(queue.put(&key(1), b"image").unwrap(), Put::Known);
    let (taken, bytes) = queue.take().unwrap();
    assert_eq!((&taken, &bytes.unwrap()[..]), (&key(1), &b"image"[..]));
    // While it is read it is known too.
    assert_eq!(queue.put(&key(1), b"image").unwrap(), Put::Known);
    queue.answer(&taken, &[object("capture"), object("report")]).unwrap();
    assert_eq!(queue.waiting(), (0, 1));
    let due = queue.due().unwrap();
    assert_eq!(queue.disk.objects(&due).unwrap(), [b"capture".to_vec(), b"report".to_vec()]);
    queue.disk.sent(&due).unwrap();
    assert_eq!(queue.put(&key(1), b"image").unwrap(), Put::Known);
    assert_eq!((names(folder.path(), "in"), names(folder.path(), "out")), (vec![], vec![]));
    assert_eq!(names(folder.path(), "done"), [key(1).as_str()]);
    // Another model is another answer.
    assert_ne!(key(1), Key::new("1.2.1", "cd"));
}

#[test]
fn wherever_it_ends_a_new_run_goes_on_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    {
        let queue = Queue::open(root, 100).unwrap();
        for n in 1..=5 {
            queue.put(&key(n), b"image").unwrap();
        }
        for _ in 0..4 {
            let (taken, _) = queue.take().unwrap();
            queue.answer(&taken, &[object("report")]).unwrap();
        }
        queue.disk.sent(&key(4)).unwrap();
        queue.disk.fail(&key(3), "no such class").unwrap();
        // 5 waits, 1 and 2 are answered, 3 failed, 4 is done.
        assert_eq!(fs::read_to_string(root.join("failed").join(key(3).as_str()).join("reason.txt")).unwrap(), "no such class\n");
    }
    // Ends between two steps: an answer without the removal of its image, one that is done but still there, half a file.
    fs::write(root.join("in").join(format!("{}.dcm", key(1).as_str())), b"image").unwrap();
    fs::create_dir(root.join("out").join(key(4).as_str())).unwrap();
    fs::create_dir(root.join("tmp").join(key(5).as_str())).unwrap();
    let queue = Queue::open(root, 100).unwrap();
    assert_eq!(queue.waiting(), (1, 3));
    assert_eq!(queue.take().unwrap().0, key(5));
    let mut due: Vec<_> = (0..3).map(|_| queue.due().unwrap()).collect();
    due.sort();
    let mut expected = vec![key(1), key(2), key(3)];
    expected.sort();
    assert_eq!(due, expected);
    assert_eq!(queue.disk.objects(&key(3)).unwrap(), [b"report".to_vec()]);
    assert!(names(root, "tmp").is_empty());
    let error = Queue::open(root, 100).unwrap_err().to_string();
    assert!(error.contains("another `host dicom`"), "{error}");
}

#[test]
fn it_takes_no_more_than_its_limit_and_more_again_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path(), 10).unwrap();
    queue.put(&key(1), b"123456").unwrap();
    assert!(queue.put(&key(2), b"12345").unwrap_err().is::<Full>());
    let (taken, _) = queue.take().unwrap();
    queue.answer(&taken, &[object("report")]).unwrap();
    assert_eq!(queue.put(&key(2), b"12345").unwrap(), Put::New);
}

#[test]
fn what_is_put_off_comes_when_its_time_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path(), 100).unwrap();
    for n in 1..=2 {
        queue.put(&key(n), b"image").unwrap();
        let (taken, _) = queue.take().unwrap();
        queue.answer(&taken, &[object("report")]).unwrap();
    }
    let first = queue.due().unwrap();
    queue.later(&first, Duration::from_millis(200));
    let second = queue.due().unwrap();
    assert_ne!(first, second);
    let started = Instant::now();
    assert_eq!(queue.due(), Some(first));
    assert!(started.elapsed() >= Duration::from_millis(150));
    queue.stop();
    assert_eq!(queue.due(), None);
    assert!(queue.take().is_none());
}
