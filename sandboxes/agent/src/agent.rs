//! The slot agent: a process with one thread that opens a slot once and forks a fresh cell for every job. In: frames on
//! standard input. Out: frames on standard output. It ends, with everything it started, when the driver does.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::process::{DumpableBehavior, Gid, Uid};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::fault::Doing;
use super::flow;
use super::home;
use super::identity::{self, INSIDE, Owner};
use super::layer::Layer;
use super::protocol::{OpenSlot, Reply, Request, Root, receive, send};
use super::root::Sources;
use super::seal::Filters;
use super::slot::Slot;
use super::tally::Tally;
use super::warden::Warden;
use super::wire::Wire;
use crate::SUPPORT_DIR;

/// Entry of the hidden command `cell-agent`, and of `probe` in a container that is tried out. Arguments: the cgroup
/// directories to remove at the end.
pub fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|command| command == "probe") {
        return super::probe::main();
    }
    let cgroups: Vec<PathBuf> = std::env::args_os().skip(2).map(PathBuf::from).collect();
    let mut wire = match Wire::take() {
        Ok(wire) => wire,
        Err(_) => return ExitCode::FAILURE,
    };
    match serve(&mut wire, &cgroups) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => match send(&mut wire.output, &Reply::Failed { why }, &[]) {
            Ok(()) => ExitCode::FAILURE,
            // The driver is gone: nobody to tell.
            Err(_) => ExitCode::FAILURE,
        },
    }
}

fn serve(wire: &mut Wire, cgroups: &[PathBuf]) -> Result<(), String> {
    let foreign = if rustix::process::geteuid().is_root() { identity::foreign() } else { None };
    let warden = match foreign {
        Some(_) => Some(Warden::fork(cgroups).doing(|| "starting the warden".to_owned())?),
        None => None,
    };
    send(&mut wire.output, &Reply::Hello, &[]).doing(|| "greeting the driver".to_owned())?;
    let slot = match receive(&mut wire.input).doing(|| "reading from the driver".to_owned())? {
        Some((Request::Open(slot), _)) => slot,
        Some((Request::Run(_), _)) => return Err("a job came before its slot".to_owned()),
        None => return Ok(()),
    };
    let tally = match &slot.root {
        Root::Host { .. } | Root::Image { .. } => Tally::Driver,
        Root::Container { .. } => Tally::in_container(),
    };
    let (_warden, layer) = open(&slot, warden, foreign)?;
    let filters = Filters::compile(slot.network)?;
    let shared = Slot {
        workdir: &slot.workdir,
        layer: &layer,
        filters: &filters,
        tally: &tally,
        own_var_tmp: !matches!(slot.root, Root::Host { .. }),
    };
    send(&mut wire.output, &Reply::Ready { copies: layer != Layer::Overlay }, &[])
        .doing(|| "greeting the driver".to_owned())?;
    while let Some((request, blob)) = receive(&mut wire.input).doing(|| "reading from the driver".to_owned())? {
        let Request::Run(job) = request else { return Err("the slot is open already".to_owned()) };
        if let Some(home) = job.env.get("HOME")
            && home::needs_mount(home, &slot.workdir)
        {
            home::make_mount_point(home)?;
        }
        if !flow::run(wire, &job, blob, &shared)? {
            return Ok(());
        }
        if !slot.network {
            renew_network_if_used()?;
        }
    }
    Ok(())
}

/// Enters the slot's namespaces and builds its root. The order matters: what only the host's root may reach is taken
/// first, then the id changes, then the host goes out of sight.
fn open(slot: &OpenSlot, mut warden: Option<Warden>, foreign: Option<u32>) -> Result<(Option<Warden>, Layer), String> {
    let network = if slot.network { UnshareFlags::empty() } else { UnshareFlags::NEWNET };
    let namespaces = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | network
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWCGROUP;
    let caller = Owner::caller();
    let enter = || {
        // SAFETY: no flag concerns descriptors or memory shared with another thread.
        unsafe { unshare_unsafe(namespaces) }.doing(|| {
            "making namespaces (does the host allow user namespaces? see user.max_user_namespaces, \
             kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)"
                .to_owned()
        })
    };
    let mut mapped = true;
    if matches!(slot.root, Root::Container { .. }) && !rustix::process::getpid().is_init() {
        return Err("the agent is not alone in a container".to_owned());
    }
    let sources = match (&slot.root, &mut warden, foreign) {
        (Root::Container { homes }, Some(warden), Some(_)) => {
            let (sources, outside) = Sources::take_container(&slot.workdir, homes)?;
            enter()?;
            warden.write_maps(outside)?;
            sources
        }
        (Root::Container { .. }, ..) => return Err("the agent is not root in its container".to_owned()),
        (Root::Host { .. } | Root::Image { .. }, Some(warden), Some(outside)) => {
            let sources = Sources::take(slot)?;
            let users = identity::mapping(caller.user, outside).doing(|| "making an id map".to_owned())?;
            mapped = sources.map_base(&users);
            enter()?;
            warden.write_maps(outside)?;
            sources
        }
        (Root::Host { .. } | Root::Image { .. }, ..) => {
            enter()?;
            identity::write_own_maps(INSIDE, caller).doing(|| "writing id maps".to_owned())?;
            Sources::take(slot)?
        }
    };
    if matches!(slot.root, Root::Container { .. })
        && let Some(warden) = warden.take()
    {
        // The container's end takes everything with it, and one process less counts against the job's limit.
        warden.dismiss().doing(|| "dismissing the warden".to_owned())?;
    }
    if foreign.is_some() {
        rustix::thread::set_thread_groups(&[]).doing(|| "leaving groups".to_owned())?;
    }
    let (gid, uid) = (Gid::from_raw(INSIDE), Uid::from_raw(INSIDE));
    rustix::thread::set_thread_res_gid(gid, gid, gid).doing(|| "changing the group".to_owned())?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).doing(|| "changing the user".to_owned())?;
    // The change of user has hidden our own /proc entries from us.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).doing(|| "staying visible".to_owned())?;
    identity::name_host("assay").doing(|| "naming the host".to_owned())?;
    if !slot.network {
        identity::raise_loopback().doing(|| "raising the loopback interface".to_owned())?;
    }
    sources.build(slot, SUPPORT_DIR)?;
    let layer = if mapped && !slot.copies { Layer::choose()? } else { Layer::copy()? };
    // No job makes a user namespace, even past the filter. A kernel without the limit has the filter.
    let _ = fs::write("/proc/sys/user/max_user_namespaces", "0");
    Ok((warden, layer))
}

/// A closed connection keeps its port for a minute. The next job gets a new network if the last one left any connection.
fn renew_network_if_used() -> Result<(), String> {
    let used = fs::read_to_string("/proc/self/net/sockstat").map_or(true, |stat| !is_quiet(&stat));
    if used {
        // SAFETY: concerns no descriptors or memory.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.doing(|| "making a network namespace".to_owned())?;
        identity::raise_loopback().doing(|| "raising the loopback interface".to_owned())?;
    }
    Ok(())
}

fn is_quiet(sockstat: &str) -> bool {
    let Some(tcp) = sockstat.lines().find_map(|line| line.strip_prefix("TCP: ")) else { return false };
    let fields: Vec<&str> = tcp.split_whitespace().collect();
    fields
        .chunks(2)
        .all(|pair| !matches!(pair, [name, count] if matches!(*name, "inuse" | "orphan" | "tw") && *count != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_still_holds_a_connection_is_not_quiet() {
        assert!(is_quiet("sockets: used 9\nTCP: inuse 0 orphan 0 tw 0 alloc 4 mem 3\nUDP: inuse 0 mem 0\n"));
        assert!(!is_quiet("sockets: used 9\nTCP: inuse 0 orphan 0 tw 2 alloc 4 mem 3\n"));
        assert!(!is_quiet(""), "no telling: a new network is the safe choice");
    }
}
