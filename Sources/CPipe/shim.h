// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>

/* The C library declares it for _GNU_SOURCE only, which Swift's importer does not set everywhere. */
extern int pipe2(int ends[2], int flags);

/* A pipe that no other child inherits, not even one that is started at the same moment. Sockets can be had without a
   shim, but a program that opens /dev/stdout cannot write to one. */
static inline int sojourn_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

/* The flags are an enum in C and would need casts in Swift. */
static inline int sojourn_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

/* The C library declares it for _GNU_SOURCE only, which Swift's importer does not set everywhere. */
extern int pthread_setname_np(pthread_t thread, const char *name);
static inline void sojourn_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }
