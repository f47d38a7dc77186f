/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-lock-private.h"

#ifdef LSOBS_CHECK_LOCKS
__thread guint _lsobs_lock_held;
#endif
