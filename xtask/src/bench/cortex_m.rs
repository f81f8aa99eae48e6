//! An estimate of the cycles of a Cortex-M0+, M3 or M4: the tables of their technical reference manuals, memory without wait states.
//!
//! M4: DDI 0439D, tables 3-1, 3-2, 7-1 and section 3.3.2. M3: DDI 0337I, the same sections. M0+: DDI 0484C, table 3-1, with the
//! multiplier that takes one cycle.
//!
//! What the manual leaves open is chosen so. A pipeline refill takes one cycle after a branch, two after a call or a jump through a
//! register, three after a load of PC, and one more where the target is a wide instruction off a word boundary. A division takes
//! 12 cycles; on the M3 a long multiplication 4, with accumulation 6. An instruction in an IT block counts as if its condition held.
//!
//! docs/kernels.md compares it with what was measured on a Cortex-M4.

use super::trace::Instruction;

/// What the next instruction must know of the one before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A single load, to which a load or store can be joined.
    Load,
    /// A load or store that nothing joins.
    Memory,
    /// Floating-point arithmetic, whose result takes a cycle more.
    Float,
    Other,
}

/// A processor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Core {
    /// Cortex-M0+.
    M0Plus,
    /// Cortex-M3.
    M3,
    /// Cortex-M4.
    M4,
}

/// Cycles of a block that is left without a jump.
pub fn straight(core: Core, code: &[Instruction]) -> u64 {
    let mut before: Option<&Instruction> = None;
    let mut cycles = 0;
    for instruction in code {
        cycles += if core == Core::M0Plus { simple(instruction) } else { of(core, instruction, before) };
        before = Some(instruction);
    }
    cycles
}

/// An instruction of a Cortex-M0+: nothing overlaps.
fn simple(instruction: &Instruction) -> u64 {
    let (name, operands) = (&instruction.name[..], &instruction.operands[..]);
    match name {
        _ if is_multiple(name) => 1 + registers(name, operands),
        _ if is_single(name) || name == "bl" => 2,
        _ if ["mrs", "msr", "dmb", "dsb", "isb"].iter().any(|start| name.starts_with(start)) => 3,
        _ => 1,
    }
}

/// Cycles that a jump out of a block adds.
pub fn refill(core: Core, code: &[Instruction]) -> u64 {
    let Some(last) = code.last() else { return 1 };
    if core == Core::M0Plus {
        return if loads_pc(last) { 2 } else { 1 };
    }
    let is_branch = last.name.starts_with('b') && !["bl", "blx", "bx"].contains(&&*last.name) || last.name.starts_with("cb");
    if loads_pc(last) || last.name.starts_with("tb") {
        3
    } else if is_branch {
        1
    } else {
        2
    }
}

/// Cycles that a jump to a block adds: a wide instruction off a word boundary takes two fetches.
pub fn entry(core: Core, code: &[Instruction]) -> u64 {
    if core == Core::M0Plus {
        return 0;
    }
    code.first().map_or(0, |first| u64::from(first.size == 4 && first.at % 4 != 0))
}

fn loads_pc(instruction: &Instruction) -> bool {
    let name = &instruction.name;
    (name.starts_with("pop") || name.starts_with("ldm")) && instruction.operands.contains("pc")
        || name.starts_with("ldr") && instruction.operands.starts_with("pc")
}

fn of(core: Core, instruction: &Instruction, before: Option<&Instruction>) -> u64 {
    let (name, operands) = (&instruction.name[..], &instruction.operands[..]);
    let kind_before = before.map_or(Kind::Other, kind);
    if is_multiple(name) {
        return 1 + registers(name, operands);
    }
    if is_single(name) {
        let base = address_registers(operands);
        let made = before.map(target).unwrap_or_default();
        let waits = before.is_some() && base.split(' ').any(|register| !register.is_empty() && register == made);
        let is_store = name.starts_with("st");
        let plain = if is_store && !by_register(operands) { 1 } else { 2 };
        return match kind_before {
            // Joined to the load before it, unless it needs what that loads.
            Kind::Load if !waits && !updates_same_base(before, operands) => 1,
            Kind::Load | Kind::Memory => plain,
            // There is no forwarding into addresses.
            _ => plain + u64::from(waits),
        };
    }
    let stall = u64::from(kind_before == Kind::Float && before.is_some_and(|before| reads(operands, target(before))));
    let own = match name {
        _ if name.starts_with("vldr") || name.starts_with("vstr") => {
            if operands.starts_with('d') {
                3
            } else {
                2
            }
        }
        _ if name.starts_with("vdiv") || name.starts_with("vsqrt") => 14,
        _ if ["vmla", "vmls", "vnml", "vfma", "vfms", "vfnm"].iter().any(|start| name.starts_with(start)) => 3,
        _ if is_move_to_or_from_core(name, operands) => 2,
        _ if core == Core::M3 && (name.starts_with("mla") || name.starts_with("mls")) => 2,
        _ if core == Core::M3 && (name.starts_with("smull") || name.starts_with("umull")) => 4,
        _ if core == Core::M3 && (name.starts_with("smlal") || name.starts_with("umlal")) => 6,
        _ if name.starts_with("udiv") || name.starts_with("sdiv") => 12,
        _ if name.starts_with("tb") => 3,
        _ if ["mrs", "msr", "cps", "dmb", "dsb", "isb"].iter().any(|start| name.starts_with(start)) => 2,
        // Folded onto a narrow instruction before it.
        _ if is_it(name) => u64::from(before.is_none_or(|before| before.size == 4)),
        _ => 1,
    };
    own + stall
}

fn kind(instruction: &Instruction) -> Kind {
    let name = &instruction.name[..];
    if is_single(name) && name.starts_with("ld") {
        Kind::Load
    } else if is_single(name) || is_multiple(name) {
        Kind::Memory
    } else if name.starts_with('v') && [".f32", ".s32", ".u32"].iter().any(|end| name.contains(end)) && !name.starts_with("vmov")
    {
        Kind::Float
    } else {
        Kind::Other
    }
}

/// `vmov` between one or two core registers and as many of the FPU.
fn is_move_to_or_from_core(name: &str, operands: &str) -> bool {
    name.starts_with("vmov") && operands.split(',').map(str::trim).any(|operand| operand.starts_with('r') || operand == "lr")
}

/// IT, ITT, ITE and so on.
pub fn is_it(name: &str) -> bool {
    name.starts_with("it") && name[1..].bytes().all(|b| matches!(b, b't' | b'e'))
}

fn is_multiple(name: &str) -> bool {
    ["ldm", "stm", "push", "pop", "ldrd", "strd", "vldm", "vstm", "vpush", "vpop"].iter().any(|start| name.starts_with(start))
}

fn is_single(name: &str) -> bool {
    (name.starts_with("ldr") || name.starts_with("str")) && !is_multiple(name)
}

/// Words that a multiple load or store moves.
fn registers(name: &str, operands: &str) -> u64 {
    if name.starts_with("ldrd") || name.starts_with("strd") {
        return 2;
    }
    let list = operands.split_once('{').map_or(operands, |(_, list)| list).trim_end_matches('}');
    let words = |register: &str| if register.trim().starts_with('d') { 2 } else { 1 };
    list.split(',').map(words).sum()
}

/// The first operand: what most instructions write.
fn target(instruction: &Instruction) -> &str {
    let name = &instruction.name[..];
    let writes_none = name.starts_with("st") || name.starts_with("cmp") || name.starts_with("tst") || name.starts_with("vcmp");
    if writes_none { "" } else { instruction.operands.split(',').next().unwrap_or_default().trim() }
}

/// The registers between brackets, separated by spaces.
fn address_registers(operands: &str) -> String {
    let inside = operands.split_once('[').map_or("", |(_, rest)| rest.split(']').next().unwrap_or_default());
    inside.replace(',', " ")
}

/// True if the address is the sum of two registers.
fn by_register(operands: &str) -> bool {
    address_registers(operands)
        .split_whitespace()
        .filter(|word| !word.starts_with('#'))
        .nth(1)
        .is_some_and(|word| word.starts_with('r'))
}

/// True if the instruction before wrote its base back and this one's address starts from it.
fn updates_same_base(before: Option<&Instruction>, operands: &str) -> bool {
    let Some(before) = before else { return false };
    let writes_back = before.operands.ends_with('!') || before.operands.contains("], ");
    let base = |operands: &str| address_registers(operands).split_whitespace().next().unwrap_or_default().to_owned();
    writes_back && base(&before.operands) == base(operands)
}

/// True if one of the operands after the first is the register.
fn reads(operands: &str, register: &str) -> bool {
    !register.is_empty() && operands.split([',', '{', '}']).map(str::trim).skip(1).any(|operand| operand == register)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Instructions one after another, four bytes each.
    fn code(lines: &[&str]) -> Vec<Instruction> {
        let instruction = |(i, line): (usize, &&str)| {
            let (name, operands) = line.split_once(' ').unwrap_or((line, ""));
            Instruction { at: 4 * i as u64, size: 4, name: name.into(), operands: operands.into() }
        };
        lines.iter().enumerate().map(instruction).collect()
    }

    /// The examples of section 3.3.2.
    #[test]
    fn the_manuals_examples() {
        let cycles = |lines: &[&str]| straight(Core::M4, &code(lines));
        assert_eq!(cycles(&["ldr r0, [r1]", "ldr r1, [r2]"]), 3);
        assert_eq!(cycles(&["ldr r0, [r1, r2]", "str r0, [r3, #20]"]), 3);
        assert_eq!(cycles(&["ldr r0, [r1, r2]", "str r1, [r3, r2]"]), 3);
        assert_eq!(cycles(&["ldr r0, [r1, r5]", "ldr r1, [r2]", "ldr r2, [r3, #4]"]), 4);
        assert_eq!(cycles(&["ldr r0, [r1]", "ldr r2, [r0]"]), 4);
        assert_eq!(cycles(&["ldm r5!, {r6, r7, r8, r9}", "ldrd r0, r1, [r2]"]), 5 + 3);
        assert_eq!(cycles(&["str r0, [r1, #4]"]), 1);
    }

    #[test]
    fn arithmetic() {
        let cycles = |lines: &[&str]| straight(Core::M4, &code(lines));
        assert_eq!(cycles(&["smlad r0, r1, r2, r0", "mla r0, r1, r2, r0", "smull r0, r1, r2, r3"]), 3);
        assert_eq!(cycles(&["vmul.f32 s0, s1, s2", "vadd.f32 s3, s0, s1"]), 3);
        assert_eq!(cycles(&["vmul.f32 s0, s1, s2", "vadd.f32 s3, s4, s1"]), 2);
        assert_eq!(cycles(&["add r0, r1", "ldr r2, [r0]"]), 1 + 3);
        assert_eq!(cycles(&["udiv r0, r1, r2", "vmov s0, r0", "vmov r0, r1, s2, s3", "vmov s4, s5"]), 12 + 2 + 2 + 1);
    }

    /// Nordic's delay loop, SUBS and BHI, takes three cycles on the Cortex-M4 of an nRF52.
    #[test]
    fn a_loop_of_known_length() {
        let code = code(&["subs r0, #1", "bhi 0x0"]);
        assert_eq!(straight(Core::M4, &code) + refill(Core::M4, &code) + entry(Core::M4, &code), 3);
    }

    #[test]
    fn other_cores() {
        let line = code(&["muls r0, r1, r0", "ldr r1, [r2]", "ldr r3, [r2, #4]", "pop {r4, pc}"]);
        assert_eq!(straight(Core::M0Plus, &line) + refill(Core::M0Plus, &line), 1 + 2 + 2 + 5);
        let line = code(&["mla r0, r1, r2, r0", "smull r0, r1, r2, r3", "smlal r0, r1, r2, r3"]);
        assert_eq!([Core::M3, Core::M4].map(|core| straight(core, &line)), [12, 3]);
    }
}
