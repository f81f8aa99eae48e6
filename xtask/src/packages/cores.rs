//! The cores that the C packages have a library for: the one description from which all of them are made.

/// A core.
pub struct Core {
    /// Its name: a folder of `lib/`, a value of `CXR_CORE`.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The compiler's target.
    pub target: &'static str,
    /// Flags of C that match the library.
    pub flags: &'static [&'static str],
    /// Of them what tells the core from the others.
    pub tell: &'static [&'static str],
    /// Zephyr's Kconfig expression.
    pub zephyr: &'static str,
    /// Arduino's folders below `src/`: `build.mcu`, and `build.fpu`-`build.float-abi` where the core has a unit.
    pub arduino: &'static [&'static str],
    /// The board under QEMU that runs it.
    pub board: Board,
}

/// A board under QEMU.
pub struct Board {
    /// The machine.
    pub machine: &'static str,
    /// Where code, the model and data lie.
    pub memory: [&'static str; 3],
}

const fn mps(machine: &'static str, memory: [&'static str; 3]) -> Board {
    Board { machine, memory }
}

const MPS2: [&str; 3] = ["0x00000000, LENGTH = 2M", "0x00200000, LENGTH = 2M", "0x20000000, LENGTH = 4M"];

/// All of them. A Cortex-M0+ has no board of its own in QEMU: a Cortex-M3 runs its code.
pub const CORES: [Core; 7] = [
    Core {
        name: "cortex-m0plus",
        title: "Cortex-M0+, M0, M1",
        target: "thumbv6m-none-eabi",
        flags: &["-mcpu=cortex-m0plus", "-mthumb", "-mfloat-abi=soft"],
        tell: &["-mcpu=cortex-m0plus"],
        zephyr: "CPU_CORTEX_M0 || CPU_CORTEX_M0PLUS || CPU_CORTEX_M1",
        arduino: &["cortex-m0plus"],
        board: mps("mps2-an385", MPS2),
    },
    Core {
        name: "cortex-m3",
        title: "Cortex-M3; M4, M7, M33 with softfp",
        target: "thumbv7m-none-eabi",
        flags: &["-mcpu=cortex-m3", "-mthumb", "-mfloat-abi=soft"],
        tell: &["-mcpu=cortex-m3"],
        zephyr: "CPU_CORTEX_M3 || ((CPU_CORTEX_M4 || CPU_CORTEX_M7 || CPU_CORTEX_M33) && !FP_HARDABI)",
        arduino: &["cortex-m3", "cortex-m4/fpv4-sp-d16-softfp", "cortex-m7/fpv5-d16-softfp", "cortex-m33/fpv5-sp-d16-softfp"],
        board: mps("mps2-an385", MPS2),
    },
    Core {
        name: "cortex-m4f",
        title: "Cortex-M4F",
        target: "thumbv7em-none-eabihf",
        flags: &["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"],
        tell: &["-mcpu=cortex-m4", "-mfloat-abi=hard"],
        zephyr: "CPU_CORTEX_M4 && FP_HARDABI",
        arduino: &["cortex-m4/fpv4-sp-d16-hard"],
        board: mps("mps2-an386", MPS2),
    },
    Core {
        name: "cortex-m7f",
        title: "Cortex-M7F",
        target: "thumbv7em-none-eabihf",
        flags: &["-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"],
        tell: &["-mcpu=cortex-m7", "-mfloat-abi=hard"],
        zephyr: "CPU_CORTEX_M7 && FP_HARDABI",
        arduino: &["cortex-m7/fpv5-sp-d16-hard", "cortex-m7/fpv5-d16-hard"],
        board: mps("mps2-an500", MPS2),
    },
    Core {
        name: "cortex-m33f",
        title: "Cortex-M33 with FPU and DSP",
        target: "thumbv8m.main-none-eabihf",
        flags: &["-mcpu=cortex-m33", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"],
        tell: &["-mcpu=cortex-m33", "-mfloat-abi=hard"],
        zephyr: "CPU_CORTEX_M33 && FP_HARDABI",
        arduino: &["cortex-m33/fpv5-sp-d16-hard"],
        board: mps("mps2-an505", ["0x10000000, LENGTH = 2M", "0x10200000, LENGTH = 2M", "0x38000000, LENGTH = 4M"]),
    },
    Core {
        name: "cortex-m55",
        title: "Cortex-M55 with Helium",
        target: "thumbv8m.main-none-eabihf",
        flags: &["-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"],
        tell: &["-mcpu=cortex-m55", "-mfloat-abi=hard"],
        zephyr: "CPU_CORTEX_M55 && FP_HARDABI",
        arduino: &[],
        board: mps("mps3-an547", ["0x10000000, LENGTH = 512K", "0x70000000, LENGTH = 2M", "0x30000000, LENGTH = 512K"]),
    },
    Core {
        name: "rv32imc",
        title: "RV32IMC (ESP32-C2, C3, C6, H2)",
        target: "riscv32imc-unknown-none-elf",
        flags: &["-march=rv32imc", "-mabi=ilp32"],
        tell: &["-march=rv32imc"],
        zephyr: "RISCV && !64BIT && !FPU && RISCV_ISA_EXT_M && RISCV_ISA_EXT_C",
        arduino: &["esp32c2", "esp32c3", "esp32c6", "esp32h2"],
        board: mps("virt", ["0x80000000, LENGTH = 2M", "0x80200000, LENGTH = 2M", "0x80400000, LENGTH = 4M"]),
    },
];

impl Core {
    /// True of RISC-V.
    pub fn is_riscv(&self) -> bool {
        self.target.starts_with("riscv")
    }
}
