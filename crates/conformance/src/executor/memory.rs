//! Caller memory that is hostile on purpose: guard pages, canaries, poison, and no access after the call.

use std::io;

use crate::program::{Guard, Out};
use crate::trace::{Damage, POISON_BYTE, POISON_INT, POISON_U64, Region, Site, Token};

const PAGE: usize = 4096;
const SLOTS: usize = 16;
const INPUT: usize = 1 << 20;
const BUFFER: usize = 1 << 20;
const INPUT_STRIDE: usize = INPUT + PAGE;
const BUFFER_STRIDE: usize = BUFFER + 2 * PAGE;
const OUTS_STRIDE: usize = 2 * PAGE;
const INPUTS_AT: usize = PAGE;
const BUFFERS_AT: usize = INPUTS_AT + SLOTS * INPUT_STRIDE;
const OUTS_AT: usize = BUFFERS_AT + SLOTS * BUFFER_STRIDE;
const TOTAL: usize = OUTS_AT + SLOTS * OUTS_STRIDE;

/// Offsets of the three out-parameters in their page, far enough apart for canaries.
const CELLS: [(Region, usize, usize); 3] =
    [(Region::Code, 512, 4), (Region::Index, 1536, 4), (Region::Vram, 2560, 8)];

/// Largest `token_buffer_size` that a program may ask for, in bytes.
pub const MAX_BUFFER: usize = BUFFER;
/// Longest string that a program may pass, in bytes without the NUL.
pub const MAX_INPUT: usize = INPUT - 1;

/// What a piece of memory holds: the region and where its data lies.
#[derive(Clone, Copy)]
struct Lease {
    region: Region,
    start: usize,
    size: usize,
    live: bool,
}

const FREE: Lease = Lease { region: Region::Buffer, start: 0, size: 0, live: false };

/// The memory of one calling thread. Each kind of memory rotates through 16 places, so that a pointer kept
/// by the library leads to an inaccessible page for the next 15 calls that pass one.
pub struct Arena {
    base: usize,
    inputs: [Lease; SLOTS],
    buffers: [Lease; SLOTS],
    outs: [Lease; SLOTS],
    next: [usize; 3],
    fills: usize,
    /// Which pages are single mappings, by kind and slot: the last of inputs, the last and the first of buffers, and those of
    /// out-parameters.
    single: [[bool; SLOTS]; 4],
    /// Whether inputs begin behind an inaccessible page, rather than end before one.
    pub low_inputs: bool,
}

/// A placed argument; its slot number gives the memory back.
#[derive(Clone, Copy)]
pub struct Placed {
    slot: usize,
    /// What to pass.
    pub pointer: usize,
}

impl Arena {
    /// Reserves the addresses; pages become accessible only while they are passed to a call.
    pub fn new() -> io::Result<Self> {
        // SAFETY: a fresh anonymous reservation without access rights.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                TOTAL,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let (inputs, buffers, outs) = ([FREE; SLOTS], [FREE; SLOTS], [FREE; SLOTS]);
        let single = [[false; SLOTS]; 4];
        Ok(Self {
            base: base as usize,
            inputs,
            buffers,
            outs,
            next: [0; 3],
            fills: 0,
            single,
            low_inputs: false,
        })
    }

    fn protect(&self, at: usize, length: usize, rights: i32) {
        let from = at & !(PAGE - 1);
        let to = (at + length).next_multiple_of(PAGE);
        debug_assert!(from >= self.base && to <= self.base + TOTAL);
        // SAFETY: the range lies inside this arena's reservation and no Rust reference into it is alive.
        let result = unsafe { libc::mprotect(from as *mut libc::c_void, to - from, rights) };
        assert_eq!(result, 0, "the executor could not change the access to its own memory");
    }

    /// Makes a page a mapping of its own, once: to change the access to it costs half of what it does where the kernel has
    /// to cut it out of its neighbours and to join it with them again.
    fn single_out(&mut self, kind: usize, slot: usize, page: usize) {
        if !std::mem::replace(&mut self.single[kind][slot], true) {
            // SAFETY: the page is this arena's; that it is in no core dump, of which there is none, sets it apart.
            unsafe { libc::madvise(page as *mut libc::c_void, PAGE, libc::MADV_DONTDUMP) };
        }
    }

    fn turn(&mut self, kind: usize) -> usize {
        let slot = self.next[kind];
        self.next[kind] = (slot + 1) % SLOTS;
        slot
    }

    /// What a buffer holds before a call: another byte each time, none of them part of any text.
    fn fill(&mut self) -> u8 {
        const BYTES: [u8; 7] = [POISON_BYTE, 0xf6, 0xf8, 0xf9, 0xfb, 0xfc, 0xfe];
        self.fills = (self.fills + 1) % BYTES.len();
        BYTES[self.fills]
    }

    /// Places a string so that its NUL is the last byte before an inaccessible page, or its first byte the first one
    /// behind such a page; read-only.
    pub fn place_input(&mut self, region: Region, bytes: &[u8]) -> Placed {
        let slot = self.turn(0);
        let bytes = &bytes[..bytes.len().min(MAX_INPUT)];
        let end = self.base + INPUTS_AT + slot * INPUT_STRIDE + INPUT;
        let high = end - bytes.len() - 1;
        let start = if self.low_inputs { high & !(PAGE - 1) } else { high };
        self.single_out(0, slot, end - PAGE);
        self.protect(start, bytes.len() + 1, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: the pages of the string and its NUL, which end at `end` at most, were just made writable; they belong
        // to this arena alone.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), start as *mut u8, bytes.len());
            *((start + bytes.len()) as *mut u8) = 0;
        }
        self.protect(start, bytes.len() + 1, libc::PROT_READ);
        self.inputs[slot] = Lease { region, start, size: bytes.len() + 1, live: true };
        Placed { slot, pointer: start }
    }

    /// Takes a string back: the library may not look at it any more.
    pub fn release_input(&mut self, placed: Placed) {
        let lease = self.inputs[placed.slot];
        self.protect(lease.start, lease.size, libc::PROT_NONE);
        self.inputs[placed.slot].live = false;
    }

    /// Places a buffer of `size` bytes, poisoned, with a guard page on one side and canaries on the other.
    pub fn place_buffer(&mut self, size: i32, guard: Guard) -> Placed {
        let slot = self.turn(1);
        let low = self.base + BUFFERS_AT + slot * BUFFER_STRIDE + PAGE;
        let size = usize::try_from(size).unwrap_or(0).min(BUFFER);
        let start = match guard {
            Guard::After => low + BUFFER - size,
            Guard::Before if size == 0 => low + BUFFER,
            Guard::Before => low,
        };
        self.buffers[slot] = Lease { region: Region::Buffer, start, size, live: true };
        if size > 0 {
            let (from, to) = pages(start, size);
            match guard {
                Guard::After => self.single_out(1, slot, to - PAGE),
                Guard::Before => self.single_out(2, slot, from),
            }
            self.protect(from, to - from, libc::PROT_READ | libc::PROT_WRITE);
            // SAFETY: these pages were just made writable and belong to this arena.
            unsafe {
                std::ptr::write_bytes(from as *mut u8, POISON_BYTE, to - from);
                std::ptr::write_bytes(start as *mut u8, self.fill(), size);
            }
        }
        Placed { slot, pointer: start }
    }

    /// Takes the buffer back: the text in it if `read`, and whether its canaries are damaged.
    pub fn release_buffer(&mut self, placed: Placed, read: bool, damage: &mut Vec<Damage>) -> Option<Token> {
        let lease = self.buffers[placed.slot];
        self.buffers[placed.slot].live = false;
        if lease.size == 0 {
            return read.then(|| Token::Unterminated(Vec::new()));
        }
        let (from, to) = pages(lease.start, lease.size);
        // SAFETY: the pages are still readable (made so in `place_buffer`); the call that wrote them is over.
        let (before, data, after) = unsafe {
            (
                std::slice::from_raw_parts(from as *const u8, lease.start - from),
                std::slice::from_raw_parts(lease.start as *const u8, lease.size),
                std::slice::from_raw_parts(
                    (lease.start + lease.size) as *const u8,
                    to - lease.start - lease.size,
                ),
            )
        };
        let report = |offset: i64| Damage { region: Region::Buffer, offset, size: lease.size as u64 };
        if let Some(at) = before.iter().rposition(|&byte| byte != POISON_BYTE) {
            damage.push(report(at as i64 - before.len() as i64));
        }
        if let Some(at) = after.iter().position(|&byte| byte != POISON_BYTE) {
            damage.push(report((lease.size + at) as i64));
        }
        let token = read.then(|| match data.iter().position(|&byte| byte == 0) {
            Some(end) => Token::Bytes(data[..end].to_vec()),
            None => Token::Unterminated(data.to_vec()),
        });
        self.protect(from, to - from, libc::PROT_NONE);
        token
    }

    /// Places the out-parameters, poisoned, each between canaries.
    pub fn place_outs(&mut self) -> Placed {
        let slot = self.turn(2);
        let page = self.base + OUTS_AT + slot * OUTS_STRIDE;
        self.single_out(3, slot, page);
        self.protect(page, PAGE, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: the page was just made writable, is 8-aligned and belongs to this arena.
        unsafe { std::slice::from_raw_parts_mut(page as *mut u64, PAGE / 8) }.fill(POISON_U64);
        self.outs[slot] = Lease { region: Region::Code, start: page, size: PAGE, live: true };
        Placed { slot, pointer: page }
    }

    /// The pointer to pass for one out-parameter; 0 for NULL.
    pub fn out(placed: Placed, region: Region, out: Out) -> usize {
        match (out, CELLS.iter().find(|cell| cell.0 == region)) {
            (Out::Given, Some(&(_, at, _))) => placed.pointer + at,
            _ => 0,
        }
    }

    /// Takes the out-parameters back: `error_code`, `token_index`, `vram_bytes_used` as they are now.
    pub fn release_outs(
        &mut self,
        placed: Placed,
        given: [Out; 3],
        damage: &mut Vec<Damage>,
    ) -> (i32, i32, u64) {
        let page = placed.pointer;
        self.outs[placed.slot].live = false;
        // SAFETY: the page is still readable and 8-aligned; the call that wrote it is over.
        let words = unsafe { std::slice::from_raw_parts(page as *const u64, PAGE / 8) };
        let low = |at: usize| words[at / 8] as u32 as i32;
        let found = (low(CELLS[0].1), low(CELLS[1].1), words[CELLS[2].1 / 8]);
        for (at, &word) in words.iter().enumerate() {
            if word == POISON_U64 {
                continue;
            }
            for byte in at * 8..at * 8 + 8 {
                let written = word.to_le_bytes()[byte % 8] != POISON_U64.to_le_bytes()[byte % 8];
                let allowed = CELLS
                    .iter()
                    .zip(given)
                    .any(|(cell, out)| out == Out::Given && (cell.1..cell.1 + cell.2).contains(&byte));
                if written && !allowed {
                    let nearest = CELLS.iter().min_by_key(|cell| byte.abs_diff(cell.1));
                    let &(region, start, size) = nearest.unwrap_or(&CELLS[0]);
                    let found = Damage { region, offset: byte as i64 - start as i64, size: size as u64 };
                    if !damage.iter().any(|known| known.region == region) {
                        damage.push(found);
                    }
                }
            }
        }
        self.protect(page, PAGE, libc::PROT_NONE);
        found
    }

    /// What lies at an address, if it is this arena's. Called from a signal handler: no allocation, no lock.
    pub fn site(&self, address: usize) -> Option<Site> {
        if !(self.base..self.base + TOTAL).contains(&address) {
            return None;
        }
        let at = address - self.base;
        let lease = if at >= OUTS_AT {
            &self.outs[((at - OUTS_AT) / OUTS_STRIDE).min(SLOTS - 1)]
        } else if at >= BUFFERS_AT {
            &self.buffers[((at - BUFFERS_AT) / BUFFER_STRIDE).min(SLOTS - 1)]
        } else {
            // The page behind an input belongs to that input.
            &self.inputs[(at.saturating_sub(INPUTS_AT) / INPUT_STRIDE).min(SLOTS - 1)]
        };
        let mut region = lease.region;
        if at >= OUTS_AT {
            let offset = (at - OUTS_AT) % OUTS_STRIDE;
            region = CELLS.iter().min_by_key(|cell| offset.abs_diff(cell.1)).map_or(region, |cell| cell.0);
        }
        Some(if lease.live {
            Site::Caller { region, offset: address as i64 - lease.start as i64, size: lease.size as u64 }
        } else {
            Site::Released { region }
        })
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: reserved in `new` with this length.
        unsafe {
            libc::munmap(self.base as *mut libc::c_void, TOTAL);
        }
    }
}

fn pages(start: usize, size: usize) -> (usize, usize) {
    (start & !(PAGE - 1), (start + size).next_multiple_of(PAGE))
}

// The poison of the two widths is one pattern.
const _: () = assert!(POISON_U64 as u32 as i32 == POISON_INT);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_ends_at_an_inaccessible_page_and_its_site_is_known() {
        let mut arena = Arena::new().unwrap();
        let placed = arena.place_input(Region::Prompt, b"hello");
        assert_eq!((placed.pointer + 6) % PAGE, 0);
        assert_eq!(
            arena.site(placed.pointer + 6),
            Some(Site::Caller { region: Region::Prompt, offset: 6, size: 6 })
        );
        arena.release_input(placed);
        assert_eq!(arena.site(placed.pointer), Some(Site::Released { region: Region::Prompt }));
        assert_eq!(arena.site(0), None);
    }

    #[test]
    fn a_low_input_begins_behind_an_inaccessible_page_of_its_own() {
        let mut arena = Arena::new().unwrap();
        arena.low_inputs = true;
        for length in [0, 5, PAGE - 1, PAGE, 3 * PAGE + 7] {
            let placed = arena.place_input(Region::Path, &vec![b'x'; length]);
            assert_eq!(placed.pointer % PAGE, 0);
            let site = Site::Caller { region: Region::Path, offset: -1, size: length as u64 + 1 };
            assert_eq!(arena.site(placed.pointer - 1), Some(site));
            // SAFETY: the string was just placed.
            let there = unsafe { std::ffi::CStr::from_ptr(placed.pointer as *const libc::c_char) };
            assert_eq!(there.count_bytes(), length);
            arena.release_input(placed);
        }
    }

    #[test]
    fn a_write_beside_an_out_parameter_is_found_with_its_offset() {
        let mut arena = Arena::new().unwrap();
        let placed = arena.place_outs();
        let code = Arena::out(placed, Region::Code, Out::Given) as *mut u64;
        // SAFETY: inside the page that was just placed; this is the 8-byte write that MEM-02 forbids.
        unsafe { code.write(5) };
        let mut damage = Vec::new();
        let (value, index, vram) = arena.release_outs(placed, [Out::Given; 3], &mut damage);
        assert_eq!((value, index, vram), (5, POISON_INT, POISON_U64));
        assert_eq!(damage, [Damage { region: Region::Code, offset: 4, size: 4 }]);
    }

    #[test]
    fn canaries_on_the_open_side_of_a_buffer_are_checked() {
        for (guard, offset) in [(Guard::After, -1_i64), (Guard::Before, 5)] {
            let mut arena = Arena::new().unwrap();
            let placed = arena.place_buffer(5, guard);
            // SAFETY: the canary byte lies in the same accessible page as the buffer.
            unsafe {
                ((placed.pointer as i64 + offset) as *mut u8).write(b'x');
                (placed.pointer as *mut [u8; 3]).write(*b"ab\0");
            }
            let mut damage = Vec::new();
            let token = arena.release_buffer(placed, true, &mut damage);
            assert_eq!(token, Some(Token::Bytes(b"ab".to_vec())));
            assert_eq!(damage, [Damage { region: Region::Buffer, offset, size: 5 }]);
        }
    }
}
