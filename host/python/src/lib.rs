//! The classifier and the converter for Python: `cxr._cxr`, which `python/cxr` shows to users.
//!
//! Everything that takes time runs without Python's global lock. docs/python.md describes it for users.

mod classifier;
mod error;
mod image_of;
mod networks;

use pyo3::prelude::*;

/// `cxr._cxr`.
#[pymodule]
fn _cxr(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("NOTICE", cxr_app::classes::DISCLAIMER)?;
    module.add("CAUTION", cxr_app::predict::CAUTION)?;
    module.add("ImageError", module.py().get_type::<error::ImageError>())?;
    module.add("NetworkError", module.py().get_type::<error::NetworkError>())?;
    module.add_class::<classifier::Classifier>()?;
    module.add_function(wrap_pyfunction!(networks::import_network, module)?)?;
    module.add_function(wrap_pyfunction!(networks::verify, module)?)
}
