/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(LSOBS_INSIDE) && !defined(LSOBS_COMPILATION)
# error "Only <lsobs/lsobs.h> can be included directly."
#endif

#include <glib.h>

#ifndef _LSOBS_EXTERN
# if defined(LSOBS_COMPILATION) && defined(__GNUC__)
#  define _LSOBS_EXTERN __attribute__ ((visibility ("default"))) extern
# else
#  define _LSOBS_EXTERN extern
# endif
#endif

#ifdef LSOBS_DISABLE_DEPRECATION_WARNINGS
# define LSOBS_DEPRECATED            _LSOBS_EXTERN
# define LSOBS_DEPRECATED_FOR(f)     _LSOBS_EXTERN
# define LSOBS_UNAVAILABLE(maj, min) _LSOBS_EXTERN
#else
# define LSOBS_DEPRECATED            G_DEPRECATED _LSOBS_EXTERN
# define LSOBS_DEPRECATED_FOR(f)     G_DEPRECATED_FOR (f) _LSOBS_EXTERN
# define LSOBS_UNAVAILABLE(maj, min) G_UNAVAILABLE (maj, min) _LSOBS_EXTERN
#endif

/* Each minor version brings a macro LSOBS_VERSION_x_y, becomes the current one, and has a block at
 * the end of this file. */

/**
 * LSOBS_VERSION_0_1:
 *
 * The version 0.1, for %LSOBS_VERSION_MIN_REQUIRED and %LSOBS_VERSION_MAX_ALLOWED.
 *
 * Since: 0.1
 */
#define LSOBS_VERSION_0_1 (G_ENCODE_VERSION (0, 1))

/**
 * LSOBS_VERSION_CUR_STABLE:
 *
 * The version of the headers without its last number, for %LSOBS_VERSION_MIN_REQUIRED and
 * %LSOBS_VERSION_MAX_ALLOWED. It changes with the headers.
 *
 * Since: 0.1
 */
#define LSOBS_VERSION_CUR_STABLE LSOBS_VERSION_0_1

/**
 * LSOBS_VERSION_MIN_REQUIRED:
 *
 * The oldest version that a program supports. The program defines it to a macro such as
 * %LSOBS_VERSION_0_1 before it includes the header. The compiler then does not warn about symbols
 * that only later versions deprecate, because that version has no replacement for them.
 *
 * By default, it is %LSOBS_VERSION_CUR_STABLE, or %LSOBS_VERSION_MAX_ALLOWED if that is lower: the
 * compiler warns about all deprecated symbols. If `LSOBS_DISABLE_DEPRECATION_WARNINGS` is defined,
 * it warns about none.
 *
 * Since: 0.1
 */
#ifndef LSOBS_VERSION_MIN_REQUIRED
# if defined(LSOBS_VERSION_MAX_ALLOWED) && LSOBS_VERSION_MAX_ALLOWED < LSOBS_VERSION_CUR_STABLE
#  define LSOBS_VERSION_MIN_REQUIRED LSOBS_VERSION_MAX_ALLOWED
# else
#  define LSOBS_VERSION_MIN_REQUIRED LSOBS_VERSION_CUR_STABLE
# endif
#endif

/**
 * LSOBS_VERSION_MAX_ALLOWED:
 *
 * The newest version whose symbols a program may use. The program defines it to a macro such as
 * %LSOBS_VERSION_0_1 before it includes the header. The compiler then warns about symbols of later
 * versions.
 *
 * By default, it is %LSOBS_VERSION_CUR_STABLE.
 *
 * Since: 0.1
 */
#ifndef LSOBS_VERSION_MAX_ALLOWED
# define LSOBS_VERSION_MAX_ALLOWED LSOBS_VERSION_CUR_STABLE
#endif

#if LSOBS_VERSION_MAX_ALLOWED < LSOBS_VERSION_MIN_REQUIRED
# error "LSOBS_VERSION_MAX_ALLOWED must not be lower than LSOBS_VERSION_MIN_REQUIRED."
#endif
#if LSOBS_VERSION_MIN_REQUIRED < LSOBS_VERSION_0_1
# error "LSOBS_VERSION_MIN_REQUIRED must not be lower than LSOBS_VERSION_0_1."
#endif

#define LSOBS_AVAILABLE_IN_ALL _LSOBS_EXTERN

#if LSOBS_VERSION_MIN_REQUIRED >= LSOBS_VERSION_0_1
# define LSOBS_DEPRECATED_IN_0_1        LSOBS_DEPRECATED
# define LSOBS_DEPRECATED_IN_0_1_FOR(f) LSOBS_DEPRECATED_FOR (f)
#else
# define LSOBS_DEPRECATED_IN_0_1        _LSOBS_EXTERN
# define LSOBS_DEPRECATED_IN_0_1_FOR(f) _LSOBS_EXTERN
#endif

#if LSOBS_VERSION_MAX_ALLOWED < LSOBS_VERSION_0_1
# define LSOBS_AVAILABLE_IN_0_1 LSOBS_UNAVAILABLE (0, 1)
#else
# define LSOBS_AVAILABLE_IN_0_1 _LSOBS_EXTERN
#endif
