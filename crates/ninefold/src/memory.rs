//! The allocator's pages.

/// Gives back to the operating system what is free: reading a schema takes several times the memory that the model then
/// needs, and an allocator keeps it for later. Does nothing where the process has another allocator than ours.
#[expect(unsafe_code, reason = "mimalloc has no safe way to ask for it")]
pub(crate) fn give_back() {
    // SAFETY: it may be called at any time, from any thread.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
