//! What functions say to a service, read on the way: the emulator forgets the attachments of a mail, so its wire is
//! tapped. Bytes pass unchanged in both directions.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};

/// Read at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Kept, at most; a mail with its ticket has some 100 KB.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A listener in front of a service.
pub(crate) struct Tap {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// Passes what arrives at a port of its own on to `port`. Its threads end with this process.
    pub(crate) fn start(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let tap = Self { address: listener.local_addr()?, heard: Arc::default() };
        let heard = Arc::clone(&tap.heard);
        thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                let Ok(service) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let _ = pass_both_ways(caller, service, &heard);
            }
        });
        Ok(tap)
    }

    /// Where to call instead of the service.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The raw mails handed over so far.
    pub(crate) fn mails(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        mails(&String::from_utf8_lossy(&heard))
    }
}

fn pass_both_ways(caller: TcpStream, service: TcpStream, heard: &Arc<Mutex<Vec<u8>>>) -> io::Result<()> {
    let (back_from, back_to) = (service.try_clone()?, caller.try_clone()?);
    let heard = Arc::clone(heard);
    thread::spawn(move || pass(caller, service, |bytes| keep(&heard, bytes)));
    thread::spawn(move || pass(back_from, back_to, |_| ()));
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut hear: impl FnMut(&[u8])) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        hear(&chunk[..read]);
        if to.write_all(&chunk[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn keep(heard: &Mutex<Vec<u8>>, bytes: &[u8]) {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    if heard.len() + bytes.len() <= KEPT_BYTES_MAX {
        heard.extend_from_slice(bytes);
    }
}

/// The mails in what SES was sent: the base64 of `"Raw":{"Data":"…"}`.
fn mails(heard: &str) -> Vec<String> {
    let raw = heard.split(r#""Raw":{"Data":""#).skip(1).filter_map(|rest| rest.split_once('"'));
    let decoded = raw.filter_map(|(data, _)| BASE64_STANDARD.decode(data).ok());
    decoded.map(|mail| String::from_utf8_lossy(&mail).into_owned()).collect()
}

/// The file that a mail carries, if it carries one of this type.
pub(crate) fn attachment(mail: &str, kind: &str) -> Option<Vec<u8>> {
    let part = mail.split("\r\n--").find(|part| part.contains(&format!("Content-Type: {kind}")))?;
    let (_, body) = part.split_once("\r\n\r\n")?;
    let body: String = body.split_whitespace().collect();
    BASE64_STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "To: a@b\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x\r\nContent-Type: application/pdf; \
                        name=\"t\"\r\n\r\nJVBE\r\nRi0=\r\n--x--\r\n";

    #[test]
    fn mails_are_read_from_the_wire() {
        let sent = format!(r#"POST / …{{"Content":{{"Raw":{{"Data":"{}"}}}}}}"#, BASE64_STANDARD.encode(MAIL));
        let mails = mails(&format!("{sent}{sent}"));
        assert_eq!(mails, [MAIL, MAIL]);
        assert_eq!(attachment(&mails[0], "application/pdf").as_deref(), Some(&b"%PDF-"[..]));
        assert_eq!(attachment(&mails[0], "image/png"), None);
    }
}
