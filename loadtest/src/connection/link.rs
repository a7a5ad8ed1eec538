//! The bytes of an open connection, plain or over TLS, read and written without waiting.

use std::cell::{RefCell, RefMut};
use std::io::{self, ErrorKind, Read as _, Write as _};

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConnection;
use tokio_util::either::Either;

/// A connection while it is opened.
pub(crate) type Socket = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// An open connection.
#[derive(Debug)]
pub(super) enum Link {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

#[derive(Debug)]
pub(super) struct Tls {
    socket: TcpStream,
    state: RefCell<ClientConnection>,
}

impl From<Socket> for Link {
    fn from(socket: Socket) -> Self {
        match socket {
            Either::Left(plain) => Self::Plain(plain),
            Either::Right(stream) => {
                let (socket, state) = stream.into_inner();
                Self::Tls(Box::new(Tls { socket, state: RefCell::new(state) }))
            }
        }
    }
}

impl Link {
    /// Takes some of these bytes; they are on their way once [`Self::try_flush`] succeeds.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.try_write(bytes),
            Self::Tls(tls) => {
                tls.send(&mut tls.state.borrow_mut())?;
                tls.state.borrow_mut().writer().write(bytes)
            }
        }
    }

    /// Fails with `WouldBlock` while bytes that were taken wait for the socket.
    pub(super) fn try_flush(&self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.send(&mut tls.state.borrow_mut()),
        }
    }

    /// Reads what is there; 0 once the connection has ended.
    pub(super) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.try_read(into),
            Self::Tls(tls) => tls.try_read(into),
        }
    }

    /// Waits until there may be something to read.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.readable().await,
            Self::Tls(tls) if tls.has_plaintext()? => Ok(()),
            Self::Tls(tls) => tls.socket.readable().await,
        }
    }
}

impl Tls {
    fn send(&self, state: &mut RefMut<'_, ClientConnection>) -> io::Result<()> {
        while state.wants_write() {
            state.write_tls(&mut Unwaiting(&self.socket))?;
        }
        Ok(())
    }

    fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state.borrow_mut();
        loop {
            match state.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Cut without a farewell: as a plain socket tells it.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            state.read_tls(&mut Unwaiting(&self.socket))?;
            process(&mut state)?;
        }
    }

    fn has_plaintext(&self) -> io::Result<bool> {
        process(&mut self.state.borrow_mut())
    }
}

/// Decrypts what was received; true if there is something to read.
fn process(state: &mut RefMut<'_, ClientConnection>) -> io::Result<bool> {
    let processed = state.process_new_packets();
    Ok(processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?.plaintext_bytes_to_read() > 0)
}

/// A socket that says `WouldBlock` instead of waiting.
struct Unwaiting<'a>(&'a TcpStream);

impl io::Read for Unwaiting<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl io::Write for Unwaiting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
