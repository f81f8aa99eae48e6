//! Objects of the caller's: memory that holds a value once it is initialised.

use crate::memory::Unusable;
use core::mem::{align_of, size_of};
use core::ptr;

/// A value in an object of the caller's. The first word, valid whatever it holds, says whether it is there: an object that is zeroed or
/// was never written is noticed. Each interface has its own `MARK`.
#[repr(C)]
pub struct Held<T, const MARK: u32> {
    mark: u32,
    value: T,
}

/// An object that is being initialised, and holds nothing until then.
pub struct Place<T, const MARK: u32>(*mut Held<T, MARK>);

impl<T, const MARK: u32> Place<T, MARK> {
    /// Initialises the object.
    pub fn fill(self, value: T) {
        // SAFETY: only `begin` makes places, of memory that is large enough, aligned and, by its contract, writable and nobody else's.
        unsafe { self.0.write(Held { mark: MARK, value }) };
    }
}

impl<T, const MARK: u32> Held<T, MARK> {
    /// Fails to compile where an object of type `O` is too small, misaligned or wasteful.
    pub const fn check<O>() {
        assert!(size_of::<Self>() <= size_of::<O>(), "the object is too small");
        assert!(size_of::<Self>() + 128 > size_of::<O>(), "the object is too large");
        assert!(align_of::<Self>() <= align_of::<O>(), "the object is misaligned");
    }

    /// Begins to initialise an object of `size` bytes: from here on it holds nothing, until the place is filled.
    ///
    /// # Safety
    /// `object` is null or writable for `size` bytes, and the place's alone.
    pub unsafe fn begin<O>(object: *mut O, size: usize) -> Result<Place<T, MARK>, Unusable> {
        if object.is_null() || !object.is_aligned() {
            return Err(Unusable::Pointer);
        }
        if size < size_of::<Self>() {
            return Err(Unusable::Size);
        }
        let held = object.cast::<Self>();
        // SAFETY: not null, aligned, large enough, writable by contract.
        unsafe { (&raw mut (*held).mark).write(0) };
        Ok(Place(held))
    }

    /// Where the value of an object lies.
    ///
    /// # Safety
    /// `object` is null or points to an object that was zeroed or initialised.
    unsafe fn find<O>(object: *const O) -> Result<*const T, Unusable> {
        if object.is_null() || !object.is_aligned() {
            return Err(Unusable::Pointer);
        }
        let held = object.cast::<Self>();
        // SAFETY: by contract readable; the first word is an integer, valid whatever it holds.
        if unsafe { (&raw const (*held).mark).read() } != MARK {
            return Err(Unusable::Uninitialised);
        }
        // SAFETY: within the object.
        Ok(unsafe { &raw const (*held).value })
    }

    /// A copy of the value in an object.
    ///
    /// # Safety
    /// `object` is null or points to an object that was zeroed or initialised, and that nobody writes meanwhile.
    pub unsafe fn copy<O>(object: *const O) -> Result<T, Unusable>
    where
        T: Copy,
    {
        // SAFETY: by contract; only `fill` writes the mark, together with a value.
        unsafe { Self::find(object).map(|value| value.read()) }
    }

    /// The value in an object.
    ///
    /// # Safety
    /// `object` is null or points to an object that was zeroed or initialised, and that nobody else uses during `'a`.
    pub unsafe fn get<'a, O>(object: *mut O) -> Result<&'a mut T, Unusable> {
        // SAFETY: as of `copy`; exclusive by contract.
        unsafe { Self::find(object).map(|value| &mut *value.cast_mut()) }
    }

    /// Makes the value anew from itself; where that fails the object counts as uninitialised.
    ///
    /// # Safety
    /// As [`get`](Self::get).
    pub unsafe fn replace<O, E: From<Unusable>>(object: *mut O, make: impl FnOnce(T) -> Result<T, E>) -> Result<(), E> {
        // SAFETY: by contract.
        let value: *mut T = unsafe { Self::get(object) }?;
        // SAFETY: initialised. The copy takes the place of the original, which `fill` overwrites or nobody reads again.
        let (place, value) = unsafe { (Self::begin(object, size_of::<Self>())?, ptr::read(value)) };
        place.fill(make(value)?);
        Ok(())
    }
}
