//! Errors as Python has them.

use cxr_app::decode::{Kind, Refusal};
use pyo3::create_exception;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

create_exception!(cxr, ImageError, PyValueError, "An image that cannot be used; `kind` says of what sort it is.");
create_exception!(cxr, NetworkError, PyValueError, "A network that cannot be imported or read.");

/// What is wrong with an image: `kind` is empty, not_an_image, damaged, too_large or unsupported.
pub(crate) fn of_image(py: Python<'_>, error: &anyhow::Error) -> PyErr {
    let Some(refusal) = error.downcast_ref::<Refusal>() else { return PyRuntimeError::new_err(format!("{error:#}")) };
    let kind = match refusal.kind {
        Kind::Empty => "empty",
        Kind::NotAnImage => "not_an_image",
        Kind::Damaged => "damaged",
        Kind::TooLarge => "too_large",
        Kind::Unsupported => "unsupported",
    };
    let raised = ImageError::new_err(refusal.message.clone());
    match raised.value(py).setattr("kind", kind) {
        Ok(()) => raised,
        Err(error) => error,
    }
}

/// What is wrong with a network or a model: a file that cannot be read is an `OSError`.
pub(crate) fn of_network(error: &anyhow::Error) -> PyErr {
    let text = format!("{error:#}");
    if error.chain().any(|cause| cause.is::<std::io::Error>()) { PyOSError::new_err(text) } else { NetworkError::new_err(text) }
}

/// JSON as Python's own objects.
pub(crate) fn object<'py>(py: Python<'py>, json: &serde_json::Value) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (json.to_string(),))
}
