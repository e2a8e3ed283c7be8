"""The seccomp filter: which system calls exist (numbers), which are allowed (profile), as BPF (bpf)."""
