/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined (LSOBS_INSIDE) && !defined (LSOBS_COMPILATION)
# error "Only <lsobs/lsobs.h> can be included directly."
#endif

#include <glib.h>

#ifndef _LSOBS_EXTERN
# if defined (LSOBS_COMPILATION) && defined (__GNUC__)
#  define _LSOBS_EXTERN __attribute__ ((visibility ("default"))) extern
# else
#  define _LSOBS_EXTERN extern
# endif
#endif

/**
 * LSOBS_VERSION_0_1:
 *
 * The version 0.1, to be compared with %LSOBS_VERSION_MAX_ALLOWED.
 *
 * Since: 0.1
 */
#define LSOBS_VERSION_0_1 (G_ENCODE_VERSION (0, 1))

/**
 * LSOBS_VERSION_MAX_ALLOWED:
 *
 * A program that wants to be warned when it uses what came after some version
 * defines this to that version's macro, such as %LSOBS_VERSION_0_1, before it
 * includes the header. By default it is the version of the headers.
 *
 * Since: 0.1
 */
#ifndef LSOBS_VERSION_MAX_ALLOWED
# define LSOBS_VERSION_MAX_ALLOWED LSOBS_VERSION_0_1
#endif

#define LSOBS_AVAILABLE_IN_ALL _LSOBS_EXTERN

#if LSOBS_VERSION_MAX_ALLOWED < LSOBS_VERSION_0_1
# define LSOBS_AVAILABLE_IN_0_1 G_UNAVAILABLE (0, 1) _LSOBS_EXTERN
#else
# define LSOBS_AVAILABLE_IN_0_1 _LSOBS_EXTERN
#endif
