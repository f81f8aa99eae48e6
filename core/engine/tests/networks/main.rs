//! Random small networks: the streaming session against a direct reference that shares no code with it.

mod generate;
mod net;
mod random;
mod reference;
mod samples;

use generate::network;
use net::{Net, OwnedOp};
use proptest::prelude::*;
use random::Random;
use reference::reference;
use rownet::error::Error;
use rownet::kernels::Kernel;
use rownet::model::Model;
use rownet::model::desc::{Form, Storage};
use rownet::prepared::Prepared;
use rownet::session::Session;

/// Every row that operators make, and the outputs, under every kernel; the arena is written within its length only.
fn check(net: &Net, seed: u64) -> Result<(), TestCaseError> {
    let bytes = net.file().map_err(|error| TestCaseError::fail(format!("{error}")))?;
    let model = Model::parse(&bytes).unwrap();
    let mut r = Random::new(seed ^ 0x1234);
    let input: Vec<i8> = (0..model.shape(0).len()).map(|_| r.i8()).collect();
    let maps = reference(net, &input);
    let mut arena = vec![0x5A; model.arena_bytes() + 64];
    for (kernel, is_prepared) in
        Kernel::available().chain([Kernel::PORTABLE]).flat_map(|kernel| [(kernel, false), (kernel, true)])
    {
        let mut filters = vec![0; Prepared::bytes(&model, &kernel)];
        let prepared = Prepared::new(&model, kernel, &mut filters).unwrap();
        let mut session = Session::new(&model, &mut arena).unwrap().with_kernel(kernel);
        if is_prepared {
            session = session.with_prepared(prepared).unwrap();
        }
        // As they come and, prepared, once more after a reset.
        for _ in 0..1 + usize::from(is_prepared) {
            session.reset();
            let mut seen: Vec<Vec<Vec<i8>>> =
                net.values.iter().map(|value| vec![Vec::new(); usize::from(value.shape.height)]).collect();
            let mut pushed = 0;
            while let Some(y) = session.next_input_row() {
                pushed += 1;
                let row = input.chunks_exact(model.shape(0).row_len()).nth(y as usize).unwrap();
                session
                    .push_row_observed(row, &mut |value, y, row| {
                        // A row taken, none made.
                        if row.is_empty() {
                            return;
                        }
                        let map = &mut seen[usize::from(value)];
                        // Rows that are recomputed come side by side.
                        let is_alone = !matches!(model.storage(value), Storage::Recomputed { .. });
                        assert!(!is_alone || map[y as usize + 1..].iter().all(Vec::is_empty), "rows come in order");
                        map[y as usize].extend_from_slice(row);
                    })
                    .unwrap();
            }
            prop_assert_eq!(pushed, model.input_passes() * usize::from(model.shape(0).height));
            let outputs = session.finish().map_err(|error| TestCaseError::fail(format!("{error}")))?;
            for (id, (found, expected)) in seen.iter().zip(&maps).enumerate().skip(1) {
                let is_recomputed = matches!(net.values[id].storage, Storage::Recomputed { .. });
                for (y, (found, expected)) in found.iter().zip(expected.chunks_exact(model.row_bytes(id as u16))).enumerate() {
                    // Of what is recomputed, rows that nobody needs are not made.
                    if !(is_recomputed && found.is_empty()) {
                        prop_assert_eq!(found, expected, "row {} of value {} of {:?}, {}", y, id, net.ops[id - 1], kernel.name());
                    }
                }
            }
            for (i, id) in net.outputs.iter().enumerate() {
                prop_assert_eq!(outputs.bytes(i).unwrap(), &maps[usize::from(*id)][..], "output {}", i);
            }
        }
    }
    prop_assert!(arena[model.arena_bytes()..].iter().all(|b| *b == 0x5A));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 200 } else { 2_500 }))]

    #[test]
    fn streaming_equals_the_reference(seed: u64) {
        check(&network(seed).placed().unwrap(), seed)?;
    }

    #[test]
    fn damaged_files_never_panic(seed: u64, damage: u64) {
        let net = network(seed).placed().unwrap();
        let mut bytes = net.file().unwrap();
        let mut r = Random::new(damage);
        // Tables are small: half of the damage goes there.
        let tables = 80 + 32 * net.values.len() + 64 * net.ops.len() + 64;
        for _ in 0..r.within(1, 4) {
            let end = if r.one_in(2) { tables.min(bytes.len()) } else { bytes.len() };
            let at = r.within(8, end as u64 - 1) as usize;
            bytes[at] = match r.within(0, 3) {
                0 => bytes[at] ^ 1 << r.within(0, 7),
                1 => bytes[at].wrapping_add(1),
                2 => 0,
                _ => r.next() as u8,
            };
        }
        let crc = cxr_testkit::CRC32.checksum(&bytes[16..]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        let Ok(model) = Model::parse(&bytes) else { return Ok(()) };
        if model.arena_bytes() > 1 << 24 || model.shape(0).len() > 1 << 20 {
            return Ok(());
        }
        let mut arena = vec![0x5A; model.arena_bytes() + 64];
        let input: Vec<i8> = (0..model.shape(0).len()).map(|_| r.i8()).collect();
        let mut session = Session::new(&model, &mut arena).unwrap();
        let outputs = session.run(&input).map_err(|error| TestCaseError::fail(format!("{error}")))?;
        for i in 0..outputs.len() {
            prop_assert!(outputs.bytes(i).is_ok());
        }
        prop_assert!(arena[model.arena_bytes()..].iter().all(|b| *b == 0x5A));
    }

    #[test]
    fn strips_equal_the_reference(seed: u64, plan: u64) {
        let mut r = Random::new(plan);
        let net = network(seed).placed().unwrap().with_strips(&mut r).sprawled(&mut r);
        // Rows in place of sums change who comes when: where strips do not fit any more, the parser says so.
        prop_assume!(!matches!(net.file(), Err(Error::InvalidPlan { field, .. }) if field.starts_with("strips")));
        check(&net, seed)?;
    }

    #[test]
    fn strips_where_the_library_puts_them_equal_the_reference(seed: u64, at_a_time in 1u32..5) {
        let net = network(seed).placed_in_strips(at_a_time).unwrap();
        check(&net, seed)?;
    }

    #[test]
    fn recomputation_equals_the_reference(seed: u64, plan: u64) {
        let mut r = Random::new(plan);
        let net = network(seed).placed_recomputed(&mut r).unwrap();
        check(&net, seed)?;
        check(&net.sprawled(&mut r), seed)?;
    }

    #[test]
    fn any_right_plan_equals_the_reference(seed: u64, plan: u64) {
        let net = network(seed).placed().unwrap();
        check(&net.sprawled(&mut Random::new(plan)), seed)?;
    }
}

/// What the properties above are about does occur.
#[test]
fn strips_and_values_over_others_are_tested() {
    let has = |net: &Net, f: &dyn Fn(Storage) -> bool| net.values.iter().any(|value| f(value.storage));
    let (mut strips, mut overs, mut recomputed, mut columns, mut again, mut sums) = (0, 0, 0, 0, 0, 0);
    for seed in 0..300 {
        let net = network(seed).placed_recomputed(&mut Random::new(seed)).unwrap();
        recomputed += u32::from(has(&net, &|storage| matches!(storage, Storage::Recomputed { .. })));
        let net = network(seed).placed().unwrap();
        columns += u32::from(has(&net, &|storage| matches!(storage, Storage::Columns { .. })));
        again += u32::from(Model::parse(&net.file().unwrap()).unwrap().input_passes() > 1);
        overs += u32::from(has(&net, &|storage| matches!(storage, Storage::Ring { over: Some(_), .. })));
        let net = net.with_strips(&mut Random::new(seed));
        let sums_strips = |op: &OwnedOp| {
            let storage = net.values[usize::from(op.a)].storage;
            op.form != Form::Rows && matches!(storage, Storage::Waiting { strip: 1.., .. })
        };
        sums += u32::from(net.ops.iter().any(sums_strips));
        strips += u32::from(has(&net, &|storage| matches!(storage, Storage::Waiting { strip: 1.., .. })));
    }
    let all = [strips, overs, recomputed, columns, again, sums];
    assert!(strips > 60 && overs > 30 && recomputed > 60 && columns > 20 && again > 20 && sums > 3, "{all:?}");
}

/// The files of the documentation's example, and those that boards run, are what is written today; `BLESS=1` writes them anew.
#[test]
fn the_files_are_as_written_today() {
    let nets = [
        ("tiny", net::tiny().placed().unwrap()),
        ("every", samples::every()),
        ("mobile", samples::mobile()),
        ("residual", samples::residual()),
    ];
    for (name, net) in nets {
        let path = format!("{}/tests/{name}.rnet", env!("CARGO_MANIFEST_DIR"));
        let bytes = net.file().unwrap();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == bytes, "BLESS=1 cargo test -p rownet writes {path} anew");
        check(&net, 1).unwrap();
    }
}
