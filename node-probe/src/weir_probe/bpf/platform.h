// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The little that differs between the two compilers of this program: clang in the build (libbpf loads the object) and BCC on
 * the node. BCC gets maps as file descriptors and settings as numbers, both through -D. */
#ifndef WEIR_PLATFORM_H
#define WEIR_PLATFORM_H

#ifdef WEIR_BCC
#define WEIR_MAP(name) ((void *)bpf_pseudo_fd(1, WEIR_FD_##name))
#define WEIR_PROGRAM(name)
#else
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#define WEIR_MAP(name) ((void *)&name)
#define WEIR_PROGRAM(name) SEC("tc")
#endif

#include "flow.h"

#ifdef WEIR_BCC
static const struct weir_constants constants = {WEIR_CONSTANTS};
#else
const volatile struct weir_constants constants = {};
#endif

#ifndef TC_ACT_UNSPEC
#define TC_ACT_UNSPEC (-1) /* for tc: as if this program were not there */
#endif

#define inlined static inline __attribute__((always_inline))

/* Helpers by number (linux/bpf.h, enum bpf_func_id): BCC rewrites the usual names. */
static void *(*const map_lookup)(void *map, const void *key) = (void *)1;
static long (*const map_update)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;
static long (*const map_delete)(void *map, const void *key) = (void *)3;
static __u64 (*const monotonic_ns)(void) = (void *)5;
static long (*const load_bytes)(const struct __sk_buff *skb, __u32 offset, void *to, __u32 length) = (void *)26;
static long (*const pull_data)(struct __sk_buff *skb, __u32 length) = (void *)39;
static void *(*const ringbuf_reserve)(void *ring, __u64 size, __u64 flags) = (void *)131; /* Linux 5.8 */
static void (*const ringbuf_submit)(void *record, __u64 flags) = (void *)132;
static __u64 (*const jiffies64)(void) = (void *)118; /* Linux 5.5 */

/* A field that another CPU or user space writes meanwhile: read or written once, whole. */
#define once(x) (*(volatile __typeof__(x) *)&(x))

/* Keeps the compiler from seeing through a value, and so from turning arithmetic back into branches. */
#define opaque(x) __asm__ volatile("" : "+r"(x))

#endif
