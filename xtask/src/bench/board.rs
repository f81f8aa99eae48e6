//! The boards that QEMU emulates: how images are built for them and run.

use crate::bare_metal::Toolchain;
use crate::install;
use crate::shell::{Workspace, output};
use anyhow::Result;
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Code and RAM that the images may take; those of a product are `firmware`'s to limit.
const LIMITS: [(&str, &str); 2] = [("CXR_FLASH", "512K"), ("CXR_RAM", "480K")];

/// A board under QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Board {
    /// Cortex-M0+, whose image runs on QEMU's Cortex-M3.
    #[value(name = "mps2-an383")]
    Mps2An383,
    /// Cortex-M3.
    #[value(name = "mps2-an385")]
    Mps2An385,
    /// Cortex-M4F.
    #[value(name = "mps2-an386")]
    Mps2An386,
    /// Cortex-M7F.
    #[value(name = "mps2-an500")]
    Mps2An500,
    /// Cortex-M33F.
    #[value(name = "mps2-an505")]
    Mps2An505,
    /// Cortex-M55 with Helium.
    #[value(name = "mps3-an547")]
    Mps3An547,
    /// RV32IMC on the `virt` machine.
    Riscv32,
}

impl Board {
    /// Name, Rust target, feature of cxr-board, QEMU and its machine.
    const fn description(self) -> [&'static str; 5] {
        const ARM: &str = "qemu-system-arm";
        match self {
            // QEMU has no MPS2 with a Cortex-M0+.
            Self::Mps2An383 => ["mps2-an383", "thumbv6m-none-eabi", "mps2-an383", ARM, "mps2-an385"],
            // The memory map of the Cortex-M0+ image is this board's, too.
            Self::Mps2An385 => ["mps2-an385", "thumbv7m-none-eabi", "mps2-an383", ARM, "mps2-an385"],
            Self::Mps2An386 => ["mps2-an386", "thumbv7em-none-eabihf", "mps2-an386", ARM, "mps2-an386"],
            Self::Mps2An500 => ["mps2-an500", "thumbv7em-none-eabihf", "mps2-an500", ARM, "mps2-an500"],
            Self::Mps2An505 => ["mps2-an505", "thumbv8m.main-none-eabihf", "mps2-an505", ARM, "mps2-an505"],
            Self::Mps3An547 => ["mps3-an547", "thumbv8m.main-none-eabihf", "mps3-an547", ARM, "mps3-an547"],
            Self::Riscv32 => ["riscv32", "riscv32imc-unknown-none-elf", "rv32-virt", "qemu-system-riscv32", "virt"],
        }
    }

    /// Its name in tables and on the command line.
    pub const fn name(self) -> &'static str {
        self.description()[0]
    }

    /// LLVM's name of its processor.
    pub const fn cpu(self) -> &'static str {
        match self {
            Self::Mps2An383 => "cortex-m0plus",
            Self::Mps2An385 => "cortex-m3",
            Self::Mps2An386 => "cortex-m4",
            Self::Mps2An500 => "cortex-m7",
            Self::Mps2An505 => "cortex-m33",
            Self::Mps3An547 => "cortex-m55",
            Self::Riscv32 => "generic-rv32",
        }
    }

    /// Builds the images; returns their folder.
    pub fn build(self, workspace: &Workspace, binaries: &[&str]) -> Result<PathBuf> {
        let [_, target, feature, ..] = self.description();
        let toolchain = Toolchain::find(workspace, target)?;
        let mut cargo = toolchain.cargo(workspace, "build", "cxr-bench", target);
        cargo.args(["--quiet", "--features", feature]).args(binaries.iter().flat_map(|name| ["--bin", name])).envs(LIMITS);
        output(cargo)?;
        Ok(toolchain.folder(workspace).join(target).join("release"))
    }

    /// QEMU with an image, counting instructions exactly.
    pub fn qemu(self, workspace: &Workspace, image: &Path) -> Result<Command> {
        let [.., program, machine] = self.description();
        let mut qemu = workspace.command("timeout");
        qemu.args(["300", program, "-M", machine, "-nographic", "-semihosting-config", "enable=on,target=native"]);
        if let Self::Riscv32 = self {
            install::qemu_riscv(workspace)?;
            qemu.args(["-bios", "none", "-icount", "shift=0"]);
        } else {
            install::qemu(workspace)?;
            qemu.args(["-icount", "shift=7"]);
        }
        qemu.arg("-kernel").arg(image);
        Ok(qemu)
    }
}
