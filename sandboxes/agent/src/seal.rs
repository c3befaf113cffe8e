//! What a job may not do, once its root is in place: no capability, no new privileges, no dangerous system call, no
//! write outside the writable places, bounded processes and files.

use landlock::{ABI, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use super::fault::Doing;
use super::protocol::Bounds;

/// Filters that are compiled once per slot.
#[derive(Debug)]
pub struct Filters {
    always: Vec<BpfProgram>,
    /// Memory that belongs to no process's map escapes pid 1's measuring.
    where_memory_is_measured: BpfProgram,
}

/// Never needed by a test suite, and each a way out or a large piece of kernel.
const DENIED: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_memfd_secret,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[i64] = &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS_uselib];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: &[i64] = &[];

/// Every namespace flag of clone(2). `CLONE_NEWTIME` shares its bit with the exit signal and is clone3's alone.
const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

impl Filters {
    /// `network`: the job shares the network of the host.
    pub fn compile(network: bool) -> Result<Self, String> {
        let arch = TargetArch::try_from(std::env::consts::ARCH).doing(|| "choosing a seccomp filter".to_owned())?;
        let mut programs = Vec::new();
        #[cfg(target_arch = "x86_64")]
        programs.push(no_x32());

        let mut denied: Vec<(i64, Vec<SeccompRule>)> =
            DENIED.iter().chain(DENIED_HERE).map(|call| (*call, Vec::new())).collect();
        let mut namespaces = Vec::new();
        for bit in (0..32).map(|shift| 1_u64 << shift).filter(|bit| u64::from(NAMESPACES.cast_unsigned()) & bit != 0) {
            namespaces.push(when(&[(0, SeccompCmpOp::MaskedEq(bit), bit)])?);
        }
        denied.push((libc::SYS_clone, namespaces));
        // TIOCSTI types into a terminal, TIOCLINUX pastes into a console.
        let typing = [0x5412, 0x541c].map(|request| when(&[(1, SeccompCmpOp::Eq, request)]));
        denied.push((libc::SYS_ioctl, typing.into_iter().collect::<Result<_, _>>()?));
        programs.push(compile(denied, libc::EPERM, arch)?);

        // The C library falls back to clone(2), whose flags a filter can see.
        programs.push(compile(vec![(libc::SYS_clone3, Vec::new())], libc::ENOSYS, arch)?);

        // Vsock reaches a virtual machine's host past every network namespace; the others are kernel that nobody tests.
        let local = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
        let others = local.map(|family| (0, SeccompCmpOp::Ne, u64::from(family.cast_unsigned())));
        let others = vec![when(&others)?];
        let mut sockets = others.clone();
        if network {
            // A network namespace also holds the names of sockets that have no path: those of the host's services.
            sockets.push(when(&[(0, SeccompCmpOp::Eq, u64::from(libc::AF_UNIX.cast_unsigned()))])?);
        }
        let calls = vec![(libc::SYS_socket, sockets), (libc::SYS_socketpair, others)];
        programs.push(compile(calls, libc::EAFNOSUPPORT, arch)?);
        let unmapped = vec![(libc::SYS_memfd_create, Vec::new())];
        Ok(Self { always: programs, where_memory_is_measured: compile(unmapped, libc::ENOSYS, arch)? })
    }

    /// Puts the calling thread, and whatever it starts, under the filters.
    pub fn apply(&self, memory_is_measured: bool) -> Result<(), String> {
        let more = memory_is_measured.then_some(&self.where_memory_is_measured);
        for program in self.always.iter().chain(more) {
            seccompiler::apply_filter(program).doing(|| "installing a seccomp filter".to_owned())?;
        }
        Ok(())
    }
}

fn when(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, String> {
    let conditions = conditions
        .iter()
        .map(|(argument, op, value)| SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, op.clone(), *value))
        .collect::<Result<_, _>>()
        .doing(|| "building a seccomp rule".to_owned())?;
    SeccompRule::new(conditions).doing(|| "building a seccomp rule".to_owned())
}

fn compile(calls: Vec<(i64, Vec<SeccompRule>)>, errno: i32, arch: TargetArch) -> Result<BpfProgram, String> {
    let action = SeccompAction::Errno(errno.cast_unsigned());
    SeccompFilter::new(calls.into_iter().collect(), SeccompAction::Allow, action, arch)
        .and_then(TryInto::try_into)
        .doing(|| "compiling a seccomp filter".to_owned())
}

/// Refuses the x32 numbering of system calls, which would pass by a list of numbers.
#[cfg(target_arch = "x86_64")]
fn no_x32() -> BpfProgram {
    const X32_BIT: u32 = 0x4000_0000;
    let code = |code: u32| code as u16;
    let op = |c: u32, jt: u8, jf: u8, k: u32| sock_filter { code: code(c), jt, jf, k };
    vec![
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32_BIT),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

/// Gives up every capability for good.
pub fn drop_capabilities() -> Result<(), String> {
    rustix::thread::clear_ambient_capability_set().doing(|| "clearing ambient capabilities".to_owned())?;
    for bit in 0..64 {
        match rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit)) {
            Ok(()) => {}
            // Past the last capability of this kernel.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(format!("dropping capability {bit} for good: {error}")),
        }
    }
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .doing(|| "dropping capabilities".to_owned())?;
    rustix::thread::set_no_new_privs(true).doing(|| "setting no_new_privs".to_owned())
}

/// A second wall: no write outside `writable`, even if a mount would allow it. Says whether the kernel has it.
pub fn confine_writes(writable: &[&str]) -> Result<bool, String> {
    let writes = AccessFs::from_write(ABI::V5);
    let built = (|| {
        let mut ruleset = Ruleset::default().handle_access(writes)?.create()?;
        for path in writable {
            if let Ok(fd) = PathFd::new(path) {
                ruleset = ruleset.add_rule(PathBeneath::new(fd, writes))?;
            }
        }
        ruleset.restrict_self()
    })();
    let status = built.doing(|| "confining writes with Landlock".to_owned())?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// Per-process limits. Address space is not limited: runtimes reserve far more than they use. Private writable memory
/// is, far above the job's limit, where pid 1 measures memory: it stops what grows faster than it is measured. Up to
/// there the measuring decides, as a cgroup does, so that both ways end alike.
pub fn limit_process(bounds: &Bounds, watch_memory: bool) -> Result<(), String> {
    let mut limits = vec![
        (Resource::Core, 0),
        (Resource::Nofile, 4096),
        // Counted per user namespace: the job, pid 1 and the agent.
        (Resource::Nproc, bounds.pids.saturating_add(2)),
    ];
    if watch_memory {
        limits.push((Resource::Data, bounds.memory_bytes.saturating_mul(2).saturating_add(1 << 30)));
    }
    for (resource, limit) in limits {
        let hard = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let limit = Some(limit.min(hard));
        setrlimit(resource, Rlimit { current: limit, maximum: limit })
            .doing(|| format!("setting the limit {resource:?}"))?;
    }
    Ok(())
}
