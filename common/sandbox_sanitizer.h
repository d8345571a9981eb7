/*
 * A build with sanitizers runs code of the compiler inside each process: a thread that stops the
 * others to look for leaks, readers of /proc, a symbolizer. What it needs beyond the product stands
 * behind this constant, and nowhere else: system calls (sandbox_seccomp.c), files
 * (sandbox_landlock.c), a process that may be looked at (sandbox.c).
 *
 * In such a build a system call that is not allowed does not kill at once: a handler names it in
 * the log first. So the test suites tell which call a change of the code or of a library needs.
 */
#ifndef BH_COMMON_SANDBOX_SANITIZER_H
#define BH_COMMON_SANDBOX_SANITIZER_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BH_SANITIZED 1
#else
#define BH_SANITIZED 0
#endif

#endif
