/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tools/store/store-error.h"

G_DEFINE_QUARK (store - error - quark, store_error)
