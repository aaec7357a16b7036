//! `glassbox page`.

mod pictures;

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use attribution::Photo;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use image::codecs::jpeg::JpegEncoder;
use nn::files::write_whole;
use sha2::{Digest, Sha256};

use crate::program::files::{folder, pretrained};
use crate::program::terminal::{Failure, say};

/// Write a page that explains and trains networks in a browser
///
/// The page is one file. It needs no server and no network: it contains this program, compiled to WebAssembly, and the built-in
/// network.
#[derive(Args, Debug)]
#[command(after_help = "The module is compiled from the same sources as this program:\n  \
    rustup target add wasm32-unknown-unknown\n  \
    cargo build -p glassbox --no-default-features --features web --bin glassbox-web --profile web \\\n      \
        --target wasm32-unknown-unknown")]
pub(crate) struct PageArgs {
    /// The page to write
    #[arg(short, long, value_name = "FILE.html", default_value = "glassbox.html")]
    out: PathBuf,

    /// The program, compiled to WebAssembly
    #[arg(long, value_name = "FILE.wasm", default_value = "target/wasm32-unknown-unknown/web/glassbox-web.wasm")]
    module: PathBuf,
}

const BODY: &str = include_str!("../../../bin/web/page/page.html");
const STYLE: &str = include_str!("../../../bin/web/page/page.css");
const WORKER: &str = include_str!("../../../bin/web/page/worker.js");
const SCRIPT: &str = concat!(
    include_str!("../../report/pure.js"),
    include_str!("../../../bin/web/page/draw.js"),
    include_str!("../../../bin/web/page/engine.js"),
    include_str!("../../../bin/web/page/why.js"),
    include_str!("../../../bin/web/page/network.js"),
    include_str!("../../../bin/web/page/certificates.js"),
    include_str!("../../../bin/web/page/workers.js"),
    include_str!("../../../bin/web/page/gallery.js"),
    include_str!("../../../bin/web/page/pictures.js"),
    include_str!("../../../bin/web/page/learn.js"),
    include_str!("../../../bin/web/page/settings.js"),
    include_str!("../../../bin/web/page/watched.js"),
    include_str!("../../../bin/web/page/sketch.js"),
    include_str!("../../../bin/web/page/own.js"),
    include_str!("../../../bin/web/page/book.js"),
    include_str!("../../../bin/web/page/convolution.js"),
    include_str!("../../../bin/web/page/field.js"),
    include_str!("../../../bin/web/page/relu.js"),
    include_str!("../../../bin/web/page/tape.js"),
    include_str!("../../../bin/web/page/check.js"),
    include_str!("../../../bin/web/page/page.js"),
);
/// The photograph that can be tried at once.
const EXAMPLE: &[u8] = include_bytes!("../../../../tests/photos/chelsea.png");
const EXAMPLE_QUALITY: u8 = 90;

/// Writes the page.
pub(crate) fn run(args: &PageArgs) -> Result<(), Failure> {
    folder::prepare_for(&args.out)?;
    let page = page(&module(&args.module)?)?;
    write_whole(&args.out, page.as_bytes())
        .map_err(|error| format!("{}: can't be written: {error}", args.out.display()))?;
    say!("{}: {:.1} MB. Open it in a browser.", args.out.display(), page.len() as f64 / 1e6);
    Ok(())
}

/// The module in a file.
fn module(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = fs::read(path).map_err(|error| {
        let file = path.display();
        format!("{file}: the module can't be read: {error}; `glassbox page --help` says how it is compiled")
    })?;
    if !bytes.starts_with(b"\0asm") {
        return Err(format!("{}: expected a module of WebAssembly", path.display()).into());
    }
    Ok(bytes)
}

fn page(module: &[u8]) -> Result<String, Failure> {
    let mut example = Vec::new();
    let photo = Photo::read(Cursor::new(EXAMPLE), "chelsea.png")?;
    photo.to_rgb().write_with_encoder(JpegEncoder::new_with_quality(&mut example, EXAMPLE_QUALITY))?;
    let (garments, digits) = (pictures::garments()?, pictures::digits()?);
    let carried = [
        ("module", module),
        ("weights", pretrained::WEIGHTS),
        ("garments", &garments),
        ("digits", &digits),
        ("example", &example),
    ];
    let mut page = head();
    page.push_str(BODY);
    page.push_str(&format!("<script type=\"text/plain\" id=\"worker\">{WORKER}</script>\n"));
    for (id, bytes) in carried {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(bytes)?;
        let text = as_text(&packed.finish()?);
        page.push_str(&format!("<script type=\"text/plain\" id=\"{id}\">{text}</script>\n"));
    }
    page.push_str(&format!("<script>{SCRIPT}</script>\n</html>\n"));
    Ok(page)
}

/// Bytes as the text of a page: a character for every seven bits, the most significant first. In UTF-8 that takes 1.17 times as
/// much, Base64 1.33. Characters that HTML reads otherwise are replaced by those 128 further on.
fn as_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() / 6 * 7 + 2);
    let (mut bits, mut count) = (0_u32, 0);
    let mut push = |seven: u32| {
        let code = (seven & 127) as u8;
        text.push(char::from(if matches!(code, b'\0' | b'\r' | b'<') { code + 128 } else { code }));
    };
    for &byte in bytes {
        (bits, count) = (bits << 8 | u32::from(byte), count + 8);
        while count >= 7 {
            count -= 7;
            push(bits >> count);
        }
    }
    if count > 0 {
        push(bits << (7 - count));
    }
    text
}

/// The head of the page. The content security policy allows no request, and no code but the page's own, which is identified
/// by its hash; workers are made of text that the page contains.
fn head() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"generator\" content=\"glassbox page {version}\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
        <meta name=\"color-scheme\" content=\"light dark\">\n\
        <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; form-action 'none'; \
        img-src data: blob:; media-src blob:; worker-src blob:; style-src {style}; script-src {script} 'wasm-unsafe-eval'\">\n\
        <title>Glassbox</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n",
        version = env!("CARGO_PKG_VERSION"),
        style = hash(STYLE),
        script = hash(SCRIPT),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts end at the first `</script>`, whatever it stands in.
    #[test]
    fn parts_end_where_they_should() {
        assert!([SCRIPT, WORKER, STYLE].iter().all(|part| !part.contains("</") && !part.contains("<!--")));
        let page = page(b"\0asm").unwrap();
        assert_eq!(page.matches("<script").count(), page.matches("</script>").count());
        assert_eq!(page.matches("<script").count(), 7);
    }

    #[test]
    fn any_bytes_are_text_of_a_page() {
        let bytes: Vec<u8> = (0..5000_u32).map(|i| (i * i / 7 % 256) as u8).collect();
        for length in [0, 1, 6, 7, 8, 5000] {
            let text = as_text(&bytes[..length]);
            assert!(!text.contains(['\0', '\r', '<']));
            let bits =
                text.chars().map(|c| u32::from(c) & 127).flat_map(|seven| (0..7).rev().map(move |at| seven >> at & 1));
            let bits: Vec<u32> = bits.collect();
            let read: Vec<u8> =
                bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |all, &bit| all << 1 | bit as u8)).collect();
            assert_eq!(read, bytes[..length]);
        }
    }

    #[test]
    fn a_file_that_is_no_module_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "text").unwrap();
        assert!(module(file.path()).unwrap_err().to_string().contains("expected a module of WebAssembly"));
        assert!(module(Path::new("absent.wasm")).unwrap_err().to_string().contains("--help"));
    }
}
