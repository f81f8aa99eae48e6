//! Memory of the caller's, checked as far as it can be.

use core::ffi::c_char;
use core::ptr;

/// Why an object or a buffer cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// The pointer is null or misaligned.
    Pointer,
    /// The object was never initialised.
    Uninitialised,
    /// The object is smaller than this library's.
    Size,
    /// The buffer is too small.
    Buffer,
}

/// Writes a result into memory of `size` bytes: as much of it as there is room for, zeros into the rest. `None` if the pointer is null or
/// misaligned.
///
/// # Safety
/// `to` is null or writable for `size` bytes.
pub unsafe fn write_sized<T: Copy>(to: *mut T, size: usize, value: T) -> Option<()> {
    if to.is_null() || !to.is_aligned() {
        return None;
    }
    let len = size.min(size_of::<T>());
    // SAFETY: not null, writable by contract for `size` bytes, of which `len` are the first; `value` has as many.
    unsafe {
        to.cast::<u8>().copy_from_nonoverlapping((&raw const value).cast(), len);
        to.cast::<u8>().add(len).write_bytes(0, size - len);
    }
    Some(())
}

/// Copies a text, cut to fit and always terminated; the bytes of the whole text without its terminator.
///
/// # Safety
/// `to` is null or writable for `capacity` bytes.
pub unsafe fn write_text(to: *mut c_char, capacity: usize, text: &[u8]) -> u32 {
    if !to.is_null() && capacity > 0 {
        // SAFETY: writable for `capacity` bytes by contract; zeroed first because it may be uninitialised.
        unsafe { ptr::write_bytes(to, 0, capacity) };
        // SAFETY: initialised just now.
        if let Some(cells) = unsafe { slice_mut(to.cast::<u8>(), capacity - 1) } {
            cells.iter_mut().zip(text).for_each(|(cell, byte)| *cell = *byte);
        }
    }
    text.len() as u32
}

/// A slice from a pointer and a length; an empty one if the pointer is null and the length is 0.
///
/// # Safety
/// `data` points to `len` readable elements that nobody writes during `'a`, or is null.
pub unsafe fn slice<'a, T>(data: *const T, len: usize) -> Option<&'a [T]> {
    if data.is_null() {
        return (len == 0).then_some(&[]);
    }
    if !data.is_aligned() || len > isize::MAX as usize / size_of::<T>().max(1) {
        return None;
    }
    // SAFETY: not null, aligned, and by contract readable for `len` elements.
    Some(unsafe { core::slice::from_raw_parts(data, len) })
}

/// The same for memory that is written.
///
/// # Safety
/// `data` points to `len` initialised elements that nobody else touches during `'a`, or is null.
pub unsafe fn slice_mut<'a, T>(data: *mut T, len: usize) -> Option<&'a mut [T]> {
    if data.is_null() {
        return (len == 0).then_some(&mut []);
    }
    if !data.is_aligned() || len > isize::MAX as usize / size_of::<T>().max(1) {
        return None;
    }
    // SAFETY: not null, aligned, and by contract ours for `len` elements.
    Some(unsafe { core::slice::from_raw_parts_mut(data, len) })
}

/// The first `needed` of a buffer's `len` elements, zeroed, for they may be uninitialised.
///
/// # Safety
/// All zeros are a `T`. `data` is null or writable for `len` elements, and nobody else touches them during `'a`.
pub unsafe fn zeroed<'a, T>(data: *mut T, len: usize, needed: usize) -> Result<&'a mut [T], Unusable> {
    if data.is_null() || !data.is_aligned() {
        return Err(Unusable::Pointer);
    }
    if len < needed {
        return Err(Unusable::Buffer);
    }
    // SAFETY: writable by contract.
    unsafe { ptr::write_bytes(data, 0, needed) };
    // SAFETY: initialised just now, ours by contract.
    unsafe { slice_mut(data, needed) }.ok_or(Unusable::Pointer)
}
