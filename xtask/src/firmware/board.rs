//! The boards that QEMU emulates: how to build their images and how to start them.

use super::args::Args;
use crate::bare_metal::Toolchain;
use crate::install;
use crate::shell::{Workspace, run};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A board under QEMU.
pub struct Board {
    /// Its name: the feature of cxr-firmware.
    pub name: &'static str,
    /// Its processor.
    pub cpu: &'static str,
    /// The compiler's target.
    pub target: &'static str,
    /// Program and machine.
    qemu: &'static [&'static str],
    /// The `-icount` shift under which the board's counter counts instructions.
    icount: &'static str,
}

const fn arm(name: &'static str, cpu: &'static str, target: &'static str, qemu: &'static [&'static str]) -> Board {
    Board { name, cpu, target, qemu, icount: "shift=7" }
}

/// All of them.
pub const BOARDS: [Board; 6] = [
    // QEMU has no MPS2 with a Cortex-M0+; a Cortex-M3 runs its code.
    arm("mps2-an383", "Cortex-M0+", "thumbv6m-none-eabi", &["qemu-system-arm", "-M", "mps2-an385"]),
    arm("mps2-an386", "Cortex-M4F", "thumbv7em-none-eabihf", &["qemu-system-arm", "-M", "mps2-an386"]),
    arm("mps2-an500", "Cortex-M7F", "thumbv7em-none-eabihf", &["qemu-system-arm", "-M", "mps2-an500"]),
    arm("mps2-an505", "Cortex-M33", "thumbv8m.main-none-eabihf", &["qemu-system-arm", "-M", "mps2-an505"]),
    arm("mps3-an547", "Cortex-M55", "thumbv8m.main-none-eabihf", &["qemu-system-arm", "-M", "mps3-an547"]),
    Board {
        name: "rv32-virt",
        cpu: "RV32IMC",
        target: "riscv32imc-unknown-none-elf",
        qemu: &["qemu-system-riscv32", "-M", "virt", "-bios", "none"],
        icount: "shift=0",
    },
];

impl Board {
    /// The board of a name.
    pub fn named(name: &str) -> Result<&'static Self> {
        BOARDS.iter().find(|board| board.name == name).with_context(|| format!("{name}: no such board"))
    }

    /// Builds the image and returns its path.
    pub fn build(&self, workspace: &Workspace, args: &Args) -> Result<PathBuf> {
        let toolchain = Toolchain::find(workspace, self.target)?;
        let mut cargo = toolchain.cargo(workspace, "build --profile firmware", "cxr-firmware", self.target);
        self.configure(&mut cargo, args)?;
        run(cargo)?;
        let built = toolchain.folder(workspace).join(self.target).join("firmware/cxr-firmware");
        // The next board of the same target would overwrite it.
        let image = self.image(workspace);
        std::fs::create_dir_all(image.parent().context("a folder")?)?;
        std::fs::copy(&built, &image).with_context(|| built.display().to_string())?;
        Ok(image)
    }

    /// Where [`build`](Self::build) puts the image.
    pub fn image(&self, workspace: &Workspace) -> PathBuf {
        workspace.target.join("boards").join(self.name).with_extension("elf")
    }

    /// Clippy, where it knows the target.
    pub fn lint(&self, workspace: &Workspace) -> Result<()> {
        install::component(workspace, "clippy", "clippy")?;
        let toolchain = Toolchain::find(workspace, self.target)?;
        if let Toolchain::Debian = toolchain {
            return Ok(());
        }
        let mut cargo = toolchain.cargo(workspace, "clippy --profile firmware", "cxr-firmware", self.target);
        self.configure(&mut cargo, &Args::default())?;
        cargo.args(["--package", "cxr-board", "--package", "cxr-protocol", "--", "-D", "warnings"]);
        run(cargo)
    }

    fn configure(&self, cargo: &mut Command, args: &Args) -> Result<()> {
        cargo.args(["--features", &format!("cxr-firmware/{}", self.name)]);
        environment(cargo, args)?;
        // The report goes to standard output, alone.
        cargo.stdout(Stdio::null());
        Ok(())
    }

    /// QEMU with the image, ready for a serial line.
    pub fn qemu(&self, workspace: &Workspace, image: &Path, counts: bool) -> Command {
        let mut qemu = workspace.command(self.qemu[0]);
        qemu.args(&self.qemu[1..]).args(["-display", "none", "-monitor", "none"]);
        qemu.args(["-semihosting-config", "enable=on,target=native"]).arg("-kernel").arg(image);
        if counts {
            qemu.args(["-icount", self.icount]);
        }
        qemu.stdin(Stdio::null());
        qemu
    }
}

/// Model, fixture and limits for the build scripts.
pub fn environment(cargo: &mut Command, args: &Args) -> Result<()> {
    for (variable, path) in [("CXR_MODEL", &args.model), ("CXR_FIXTURE", &args.fixture)] {
        if let Some(path) = path {
            cargo.env(variable, path.canonicalize().with_context(|| path.display().to_string())?);
        }
    }
    cargo.env("CXR_RAM", format!("{}K", args.ram)).env("CXR_FLASH", format!("{}K", args.flash));
    Ok(())
}
