//! What every container is denied, as values. Capabilities are all dropped, and no program gains rights by being run.

/// The system calls that are allowed, in the form that engines take: moby's default without those that only kernels' attackers use.
/// Namespaces, `io_uring`, kernel keys and sockets other than Unix, IP and routing are refused.
pub const SECCOMP: &str = include_str!("seccomp.json");

/// Files of the kernel that look empty: the engines' own list, and what tells containers of one host apart.
pub const MASKED_PATHS: &[&str] = &[
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/config.gz",
    "/proc/kallsyms",
    "/proc/modules",
    "/proc/version_signature",
    "/proc/cmdline",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
    "/sys/devices/virtual/dmi",
    "/sys/class/dmi",
];

/// Files of the kernel that cannot be written.
pub const READ_ONLY_PATHS: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Processes and threads of a container when the configuration does not say.
pub const PIDS: u64 = 4096;
