//! The network namespace that builders are given one after the other.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;

use cbuild_sandbox::Launcher;
use rustix::net::{AddressFamily, Protocol, SendFlags, SocketType};

use super::support::Place;

/// A builder prints its network namespace, and tries to reach something if it is told to.
pub(super) fn show(use_it: &str) {
    println!("{}", fs::read_link("/proc/self/ns/net").unwrap().display());
    if use_it == "datagram" {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        assert!(socket.send_to(b"x", "10.1.2.3:9").is_err());
    }
}

/// Builders that leave no trace in it are given the same network namespace one after the other.
pub(super) fn a_used_network_is_not_given_on() {
    let place = Place::new();
    let launcher = Launcher::new();
    let network = |use_it: &str| {
        let _ = fs::remove_file(place.path("log"));
        let spec = place.inside(&["network", use_it]);
        let exit = launcher.spawn(&spec, place.log()).unwrap().wait().unwrap();
        assert!(exit.success(), "{}", place.log_text());
        place.log_text()
    };
    let first = network("nothing");
    assert_eq!(network("nothing"), first);
    assert_eq!(network("datagram"), first);
    let second = network("nothing");
    assert_ne!(second, first);
    assert_eq!(network("nothing"), second);
}

/// Tries what can be tried without a network, and prints what was counted in `netstat` alone.
pub(super) fn try_protocols() {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/net/{name}")).unwrap();
    let others = || ["dev", "snmp", "snmp6"].map(read);
    let protocols = [0, libc::IPPROTO_UDPLITE, libc::IPPROTO_SCTP, libc::IPPROTO_MPTCP];
    let mut tried = 0;
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        for kind in [SocketType::STREAM, SocketType::DGRAM, SocketType::SEQPACKET] {
            for protocol in protocols {
                let protocol = NonZeroU32::new(protocol.unsigned_abs()).map(Protocol::from_raw);
                for attempt in ["connect", "send", "fast open", "group", "listen"] {
                    let before = (read("netstat"), others());
                    let Ok(socket) = rustix::net::socket(family, kind, protocol) else { continue };
                    try_socket(socket, family == AddressFamily::INET, attempt);
                    tried += 1;
                    let after = (read("netstat"), others());
                    if before.0 != after.0 && before.1 == after.1 {
                        println!("{family:?} {kind:?} {protocol:?} {attempt}");
                    }
                }
            }
        }
    }
    println!("tried {tried}");
}

/// What is tried with the socket fails or does not.
fn try_socket(socket: OwnedFd, is_v4: bool, attempt: &str) {
    let address = match (is_v4, attempt == "group") {
        (true, false) => "127.0.0.1:9",
        (true, true) => "224.0.0.251:9",
        (false, false) => "[::1]:9",
        (false, true) => "[ff02::1]:9",
    };
    let address: SocketAddr = address.parse().unwrap();
    let fast_open = SendFlags::from_bits_retain(libc::MSG_FASTOPEN.unsigned_abs());
    let _ = match attempt {
        "connect" => rustix::net::connect(&socket, &address),
        "listen" => rustix::net::listen(&socket, 1),
        "fast open" => rustix::net::sendto(&socket, b"x", fast_open, &address).map(drop),
        _ => rustix::net::sendto(&socket, b"x", SendFlags::empty(), &address).map(drop),
    };
}

/// Whoever counts on the few counters that are compared must not miss anything.
pub(super) fn what_netstat_counts_shows_elsewhere() {
    let place = Place::new();
    let spec = place.inside(&["counters"]);
    let exit = Launcher::new().spawn(&spec, place.log()).unwrap().wait().unwrap();
    assert!(exit.success(), "{}", place.log_text());
    let text = place.log_text();
    let tried = text.trim().strip_prefix("tried ").unwrap_or_else(|| panic!("{text}"));
    assert!(tried.parse::<u32>().unwrap() >= 20, "{text}");
}
