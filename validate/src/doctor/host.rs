//! Checks of the host: ports, shared memory, limits and processors.

use super::{DoctorCheck, timer};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

const MIB: u64 = 1 << 20;

pub(super) fn check(checks: &mut Vec<DoctorCheck>) {
    checks.push(ports());
    checks.push(shared_memory());
    checks.push(open_files());
    checks.push(locked_memory());
    checks.push(processors());
    checks.extend(governor());
    checks.push(load());
    checks.push(timer::check());
    checks.push(temporary_folder());
    checks.push(death_signal());
}

fn ports() -> DoctorCheck {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) {
        Ok(_) => {
            let busy: Vec<String> = (8000..=8002)
                .filter(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err())
                .map(|port: u16| port.to_string())
                .collect();
            let taken = if busy.is_empty() {
                String::new()
            } else {
                format!("; {} taken (ours are free ones)", busy.join(", "))
            };
            DoctorCheck::ok("ports", format!("127.0.0.1 can be listened on{taken}"))
        }
        Err(error) => DoctorCheck::missing(
            "ports",
            error.to_string(),
            "let programs listen on the loopback interface",
        ),
    }
}

fn shared_memory() -> DoctorCheck {
    let name = "shared memory";
    match statvfs("/dev/shm") {
        Err(error) => {
            DoctorCheck::missing(name, format!("/dev/shm: {error}"), "mount a tmpfs on /dev/shm")
        }
        Ok(space) => {
            let free = space.blocks_available() * space.fragment_size() / MIB;
            let found = format!("/dev/shm has {free} MiB free");
            let fix = "Triton's Python models exchange tensors there: in a container give --shm-size=2g or --ipc=host";
            match free {
                0..64 => DoctorCheck::missing(name, found, fix),
                64..512 => DoctorCheck::warning(name, found, fix),
                _ => DoctorCheck::ok(name, found),
            }
        }
    }
}

fn open_files() -> DoctorCheck {
    let name = "open files";
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Err(error) => DoctorCheck::warning(name, error.to_string(), "look at ulimit -n"),
        Ok((soft, _)) if soft < 4096 => DoctorCheck::warning(
            name,
            format!("at most {soft}"),
            "each request in flight has a connection of its own: ulimit -n 16384",
        ),
        Ok((soft, _)) => DoctorCheck::ok(name, format!("at most {soft}")),
    }
}

fn locked_memory() -> DoctorCheck {
    let name = "locked memory";
    match getrlimit(Resource::RLIMIT_MEMLOCK) {
        Ok((soft, _)) if soft == nix::libc::RLIM_INFINITY => DoctorCheck::ok(name, "unlimited"),
        Ok((soft, _)) => DoctorCheck::ok(
            name,
            format!("at most {} MiB (the CUDA driver pins without it)", soft / MIB),
        ),
        Err(error) => DoctorCheck::warning(name, error.to_string(), "look at ulimit -l"),
    }
}

fn processors() -> DoctorCheck {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let found = format!("{count}");
    if count < 4 {
        DoctorCheck::warning(
            "processors",
            found,
            "client and servers share them: keep rates low, and look at the warning about late sends",
        )
    } else {
        DoctorCheck::ok("processors", found)
    }
}

/// Checks the frequency governor of the processors, where it can be read.
fn governor() -> Option<DoctorCheck> {
    let text = fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").ok()?;
    let name = text.trim().to_owned();
    Some(if name == "performance" {
        DoctorCheck::ok("governor", name)
    } else {
        DoctorCheck::warning(
            "governor",
            name,
            "for steady latencies, as root: cpupower frequency-set -g performance",
        )
    })
}

fn load() -> DoctorCheck {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = text.split(' ').next().and_then(|load| load.parse::<f64>().ok()).unwrap_or(0.0);
    let count =
        u32::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
    let found = format!("{load} in the last minute");
    if load > f64::from(count) / 2.0 {
        DoctorCheck::warning(
            "load",
            found,
            "wait until the machine is idle: latencies would be of both",
        )
    } else {
        DoctorCheck::ok("load", found)
    }
}

fn temporary_folder() -> DoctorCheck {
    let folder = std::env::temp_dir();
    let name = "temporary folder";
    let place = folder.display();
    match statvfs(&folder) {
        Err(error) => DoctorCheck::missing(
            name,
            format!("{place}: {error}"),
            "set TMPDIR to a folder of yours",
        ),
        Ok(space) => {
            let free = space.blocks_available() * space.fragment_size() / MIB;
            let found = format!("{place} has {free} MiB free");
            if free < 256 {
                DoctorCheck::missing(name, found, "free some space, or set TMPDIR to a larger disk")
            } else {
                DoctorCheck::ok(name, found)
            }
        }
    }
}

fn death_signal() -> DoctorCheck {
    if ["/usr/bin/setpriv", "/bin/setpriv"].into_iter().any(|path| Path::new(path).is_file()) {
        DoctorCheck::ok("setpriv", "there")
    } else {
        DoctorCheck::warning(
            "setpriv",
            "not there",
            "install util-linux: without it a server stays if both this program and its guard are killed",
        )
    }
}
