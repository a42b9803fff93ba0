//! Compression, and expansion within a limit.

use std::io::{self, Read};

use ttl_core::{Error, ErrorKind, Result};

use super::method::Method;

/// The size of the buffer for expanded bytes.
const CHUNK: usize = 16 << 10;

/// Returns the compressed bytes.
///
/// # Errors
/// [`ErrorKind::Unsupported`] if the method is not compiled in.
pub(super) fn compress(method: Method, level: i32, bytes: &[u8]) -> Result<Vec<u8>> {
    let compressed = match method {
        Method::Stored => Ok(bytes.to_vec()),
        #[cfg(feature = "compress-gzip")]
        Method::Gzip => gzip(level, bytes),
        #[cfg(feature = "compress-zstd")]
        Method::Zstd => zstd(level, bytes),
        #[cfg(not(all(feature = "compress-gzip", feature = "compress-zstd")))]
        other => return Err(not_compiled_in(other, level)),
    };
    compressed
        .map_err(|error| Error::new(ErrorKind::Codec, "the value cannot be compressed").with_source(error))
}

/// Returns the expanded bytes, at most `limit`.
///
/// # Errors
/// * [`ErrorKind::Corrupt`] if there are more, or if the bytes are damaged
/// * [`ErrorKind::Unsupported`] if the method is not compiled in
pub(super) fn expand(method: Method, bytes: &[u8], limit: usize) -> Result<Vec<u8>> {
    if bytes.is_empty() && method != Method::Stored {
        // The decoders take it for an empty stream, but no value is compressed to nothing.
        return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
    }
    match method {
        Method::Stored => Ok(bytes.to_vec()),
        #[cfg(feature = "compress-gzip")]
        Method::Gzip => read_within(flate2::bufread::MultiGzDecoder::new(bytes), limit),
        #[cfg(feature = "compress-zstd")]
        Method::Zstd => {
            let mut decoder = ::zstd::stream::read::Decoder::with_buffer(bytes).map_err(damaged)?;
            decoder.window_log_max(window_log(limit)).map_err(damaged)?;
            read_within(decoder, limit)
        }
        #[cfg(not(all(feature = "compress-gzip", feature = "compress-zstd")))]
        other => Err(not_compiled_in(other, 0)),
    }
}

#[cfg(feature = "compress-gzip")]
fn gzip(level: i32, bytes: &[u8]) -> io::Result<Vec<u8>> {
    use std::io::Write;

    let level = flate2::Compression::new(u32::try_from(level).unwrap_or_default());
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(bytes.len() / 2), level);
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(feature = "compress-zstd")]
fn zstd(level: i32, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = ::zstd::bulk::Compressor::new(level)?;
    compressor.include_checksum(true)?;
    compressor.compress(bytes)
}

/// Returns the logarithm of the largest window that a frame within the limit needs. A frame that asks for more
/// is refused before its memory is allocated.
#[cfg(feature = "compress-zstd")]
fn window_log(limit: usize) -> u32 {
    limit.checked_next_power_of_two().map_or(27, |size| size.trailing_zeros().clamp(10, 27))
}

/// Reads all bytes, and stops at the first one beyond the limit.
fn read_within(mut reader: impl Read, limit: usize) -> Result<Vec<u8>> {
    let mut expanded = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(expanded),
            Ok(read) if read > limit - expanded.len() => return Err(too_large(limit)),
            Ok(read) => expanded.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(damaged(error)),
        }
    }
}

fn too_large(limit: usize) -> Error {
    let text = format!(
        "the entry expands to more than {limit} bytes, the limit `max_expanded_bytes` of the layer Compress; raise \
         the limit, or delete the entry"
    );
    Error::new(ErrorKind::Corrupt, text)
}

fn damaged(error: io::Error) -> Error {
    let text = "the entry cannot be expanded: its compressed bytes are damaged; put it again, or delete it";
    Error::new(ErrorKind::Corrupt, text).with_source(error)
}

#[cfg(not(all(feature = "compress-gzip", feature = "compress-zstd")))]
fn not_compiled_in(method: Method, _: i32) -> Error {
    let name = if method == Method::Gzip { "gzip" } else { "zstd" };
    let text = format!(
        "the entry is compressed with {name}, which this program does not support: build it with the feature \
         `compress-{name}`"
    );
    Error::new(ErrorKind::Unsupported, text)
}

#[cfg(all(test, feature = "compress-gzip", feature = "compress-zstd"))]
mod tests {
    use std::cell::Cell;

    use super::*;

    const METHODS: [Method; 3] = [Method::Stored, Method::Gzip, Method::Zstd];

    #[test]
    fn bytes_come_back_at_every_level() {
        let texts = [Vec::new(), b"a".to_vec(), b"a long text, ".repeat(3_000), (0..=255).collect()];
        for method in METHODS {
            for level in method.levels() {
                for text in &texts {
                    let compressed = compress(method, level, text).unwrap();
                    assert_eq!(expand(method, &compressed, text.len()).unwrap(), *text, "{method:?} {level}");
                }
            }
        }
    }

    #[test]
    fn bytes_of_other_programs_are_read() {
        let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xffKLI\x04\x00\x68\x87\x70\x8d\x03\x00\x00\x00";
        let zstd = b"\x28\xb5\x2f\xfd\x20\x03\x19\x00\x00ada";
        assert_eq!(expand(Method::Gzip, gzip, 3).unwrap(), b"ada");
        assert_eq!(expand(Method::Zstd, zstd, 3).unwrap(), b"ada");
    }

    #[test]
    fn the_limit_is_exact() {
        let text = vec![7; 100_000];
        for method in [Method::Gzip, Method::Zstd] {
            let compressed = compress(method, method.levels().count() as i32 / 2, &text).unwrap();
            assert!(expand(method, &compressed, text.len()).is_ok());
            for limit in [text.len() - 1, 1_000, 1] {
                let error = expand(method, &compressed, limit).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{method:?} {limit}");
                assert!(error.message().contains(&format!("more than {limit} bytes")) || limit < 100_000);
            }
        }
    }

    #[test]
    fn every_truncation_and_every_addition_is_damage() {
        let text = b"a long text, ".repeat(10);
        for method in [Method::Gzip, Method::Zstd] {
            let compressed = compress(method, 6, &text).unwrap();
            for len in 0..compressed.len() {
                let expanded = expand(method, &compressed[..len], 10_000);
                assert!(expanded.is_err() || len == 0, "{method:?} {len}");
            }
            let longer = [&compressed[..], b"x"].concat();
            assert_eq!(expand(method, &longer, 10_000).unwrap_err().kind(), ErrorKind::Corrupt, "{method:?}");
        }
    }

    /// A reader that counts the bytes that it produces.
    struct Counted<'a, R>(R, &'a Cell<usize>);

    impl<R: Read> Read for Counted<'_, R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read(buffer)?;
            self.1.set(self.1.get() + read);
            Ok(read)
        }
    }

    /// Returns a frame of zstd with this many blocks of 128 KiB zeros, each of which takes four bytes.
    fn zeros(blocks: usize) -> Vec<u8> {
        // The magic number, no content size, and a window of 128 KiB.
        let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0x00, 7 << 3];
        for block in 1..=blocks {
            let header = (128_u32 << 10) << 3 | 1 << 1 | u32::from(block == blocks);
            frame.extend_from_slice(&header.to_le_bytes()[..3]);
            frame.push(0);
        }
        frame
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        const LIMIT: usize = 1 << 20;
        let giant = zeros(8_192);
        assert!(giant.len() < 33_000, "1 GiB in {} bytes", giant.len());
        let small = zeros(250);
        assert!(small.len() < 1_024, "31 MiB in {} bytes", small.len());
        let mut gzipped = Vec::new();
        let zeros = io::repeat(0).take(128 << 20);
        let fast = flate2::Compression::fast();
        flate2::read::GzEncoder::new(io::BufReader::new(zeros), fast).read_to_end(&mut gzipped).unwrap();
        for (method, bomb) in [(Method::Zstd, &giant), (Method::Zstd, &small), (Method::Gzip, &gzipped)] {
            assert_eq!(expand(method, bomb, LIMIT).unwrap_err().kind(), ErrorKind::Corrupt);
            let produced = Cell::new(0);
            let reader: Box<dyn Read> = match method {
                Method::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(&bomb[..])),
                _ => Box::new(::zstd::stream::read::Decoder::with_buffer(&bomb[..]).unwrap()),
            };
            let error = read_within(Counted(reader, &produced), LIMIT).unwrap_err();
            assert!(error.message().starts_with("the entry expands to more than 1048576 bytes"), "{error}");
            let produced = produced.get();
            assert!((LIMIT..=LIMIT + CHUNK).contains(&produced), "{method:?} produced {produced} bytes");
        }
    }

    #[test]
    fn memory_stays_bounded() {
        const LIMIT: usize = 1 << 20;
        let giant = zeros(8_192);
        let measured = allocation_counter::measure(|| assert!(expand(Method::Zstd, &giant, LIMIT).is_err()));
        assert!(measured.bytes_max < 4 * LIMIT as u64, "{} bytes", measured.bytes_max);
    }

    #[test]
    fn a_window_beyond_the_limit_is_refused_before_it_is_allocated() {
        // A single segment whose header claims 1 GiB of content, so that the window is as large.
        let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0b1010_0000];
        frame.extend_from_slice(&(1_u32 << 30).to_le_bytes());
        frame.extend_from_slice(&[1, 0, 0]);
        let error = expand(Method::Zstd, &frame, 1 << 20).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("memory"), "{source}");
        assert_eq!([1, 1 << 10, 1 << 20, usize::MAX / 2].map(window_log), [10, 10, 20, 27]);
    }
}

#[cfg(all(test, feature = "compress-gzip", not(feature = "compress-zstd")))]
mod tests_without_zstd {
    use super::*;

    #[test]
    fn a_method_that_is_not_compiled_in_is_unsupported() {
        let text = "the entry is compressed with zstd, which this program does not support: build it with the \
                    feature `compress-zstd`";
        let error = expand(Method::Zstd, b"any", 100).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Unsupported, text));
        assert_eq!(expand(Method::Gzip, &gzip(6, b"any").unwrap(), 100).unwrap(), b"any");
    }
}
