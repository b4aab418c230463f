//! Loops over mmap-io and ranged-mmap for Quire's benchmarks: see ../rust_peers.hpp for what each does.
//! A whole loop runs in here, so that no call across languages is measured.

use std::ffi::{c_char, CStr};
use std::num::NonZeroU64;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use mmap_io::MemoryMappedFile;
use ranged_mmap::{MmapFile, MmapFileInner};

const RECORD: [u8; 64] = [6; 64];

/// # Safety
/// `path` is a C string.
unsafe fn text(path: *const c_char) -> Option<&'static str> {
    CStr::from_ptr(path).to_str().ok()
}

/// Runs `write(offset)` `writes` times in each of `threads` threads, each in its own part of `size`
/// bytes. Seconds from when all threads are there to the end of the last.
fn disjoint(size: u64, step: u64, threads: u64, writes: u64, write: impl Fn(u64) + Sync) -> f64 {
    let part = size / threads;
    let barrier = Barrier::new(threads as usize);
    let (barrier, write) = (&barrier, &write);
    let times: Vec<(Instant, Instant)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    barrier.wait();
                    let begin = Instant::now();
                    let mut at = 0;
                    for _ in 0..writes {
                        write(thread * part + at);
                        at += step;
                        if at >= part {
                            at = 0;
                        }
                    }
                    (begin, Instant::now())
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let begin = times.iter().map(|time| time.0).min().unwrap();
    let end = times.iter().map(|time| time.1).max().unwrap();
    (end - begin).as_secs_f64()
}

/// # Safety
/// `path` is a C string that names a file, of at least `size` bytes, that nobody else uses.
#[no_mangle]
pub unsafe extern "C" fn quire_peer_ranged_mmap_disjoint(
    path: *const c_char,
    size: u64,
    step: u64,
    threads: u64,
    writes: u64,
) -> f64 {
    let Some(path) = text(path) else { return f64::NAN };
    let Ok(file) = MmapFileInner::open(path) else { return f64::NAN };
    let write = |offset| {
        file.write_at(offset, &RECORD);
    };
    disjoint(size, step, threads, size / threads / step, write); // maps the pages
    disjoint(size, step, threads, writes, write)
}

/// # Safety
/// As quire_peer_ranged_mmap_disjoint.
#[no_mangle]
pub unsafe extern "C" fn quire_peer_mmap_io_disjoint(
    path: *const c_char,
    size: u64,
    step: u64,
    threads: u64,
    writes: u64,
) -> f64 {
    let Some(path) = text(path) else { return f64::NAN };
    let Ok(file) = MemoryMappedFile::open_rw(path) else { return f64::NAN };
    let write = |offset| file.update_region(offset, &RECORD).unwrap();
    disjoint(size, step, threads, size / threads / step, write);
    disjoint(size, step, threads, writes, write)
}

/// # Safety
/// `path` is a C string; a file of this name is replaced.
#[no_mangle]
pub unsafe extern "C" fn quire_peer_ranged_mmap_chunks(
    path: *const c_char,
    size: u64,
    chunk: u64,
    workers: u64,
) -> f64 {
    let Some(path) = text(path) else { return f64::NAN };
    let begin = Instant::now();
    {
        let Some(total) = NonZeroU64::new(size) else { return f64::NAN };
        let Some(most) = NonZeroU64::new(chunk) else { return f64::NAN };
        let Ok((file, mut allocator)) = MmapFile::create_default(path, total) else {
            return f64::NAN;
        };
        let mut ranges = Vec::new();
        while let Some(range) = allocator.allocate(most) {
            ranges.push(range);
        }
        let (file, ranges) = (&file, &ranges);
        thread::scope(|scope| {
            for worker in 0..workers as usize {
                scope.spawn(move || {
                    for i in (worker..ranges.len()).step_by(workers as usize) {
                        let data = vec![i as u8; ranges[i].len() as usize];
                        file.write_range(ranges[i], &data);
                    }
                });
            }
        });
        if file.sync_all().is_err() {
            return f64::NAN;
        }
    }
    begin.elapsed().as_secs_f64()
}
