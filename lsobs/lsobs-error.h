/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-types.h>

G_BEGIN_DECLS

/**
 * LSOBS_ERROR:
 *
 * The error domain for settings, runs and the service. Its codes are #LsobsError.
 *
 * Since: 0.1
 */
#define LSOBS_ERROR (lsobs_error_quark ())

/**
 * LsobsError:
 * @LSOBS_ERROR_INVALID_CONFIG: a setting has a value that is not valid
 * @LSOBS_ERROR_INVALID_RUN: the id, the trace or the project of a run breaks the rules of the
 *   protocol
 * @LSOBS_ERROR_TOO_LARGE: the request is larger than the service accepts
 * @LSOBS_ERROR_REJECTED: the service refuses the content (400, 422)
 * @LSOBS_ERROR_REFUSED: the service refuses such a request, with any content (other 4xx, 501, 505)
 * @LSOBS_ERROR_CONFLICT: the service has one of the runs already (409)
 * @LSOBS_ERROR_UNAUTHORIZED: the service refuses the API key (401, 403)
 * @LSOBS_ERROR_QUOTA: a monthly limit of the account is used up
 * @LSOBS_ERROR_LIMITED: an hourly limit of the account is used up until the next hour
 * @LSOBS_ERROR_NOT_FOUND: the address has no such service (404)
 * @LSOBS_ERROR_REDIRECTED: the address has a redirect, which lsobs never follows, as it would send
 *   the API key there
 * @LSOBS_ERROR_UNAVAILABLE: every attempt got a temporary error from the service (5xx, 429, 408 …)
 * @LSOBS_ERROR_UNREACHABLE: no attempt got an answer
 * @LSOBS_ERROR_CLOSED: the object was shut down
 * @LSOBS_ERROR_INVALID_ATTACHMENT: the name of an attachment is empty, too long, or not UTF-8
 * @LSOBS_ERROR_INVALID_VALUE: a value for a run or a usage is not valid
 * @LSOBS_ERROR_INVALID_FEEDBACK: feedback breaks the rules of the protocol
 * @LSOBS_ERROR_NO_KEY: there is no API key: the command of a profile has failed, or its OAuth token
 *   is gone
 * @LSOBS_ERROR_FOREIGN: the answer is not from the service, but from a proxy, a firewall, a sign-in
 *   portal, or another server at this address
 * @LSOBS_ERROR_BLOCKED: a proxy or firewall refuses the content, although the service can be
 *   reached
 *
 * Error codes for settings, runs and the service.
 *
 * Since: 0.1
 */
typedef enum
{
  LSOBS_ERROR_INVALID_CONFIG,
  LSOBS_ERROR_INVALID_RUN,
  LSOBS_ERROR_TOO_LARGE,
  LSOBS_ERROR_REJECTED,
  LSOBS_ERROR_REFUSED,
  LSOBS_ERROR_CONFLICT,
  LSOBS_ERROR_UNAUTHORIZED,
  LSOBS_ERROR_QUOTA,
  LSOBS_ERROR_LIMITED,
  LSOBS_ERROR_NOT_FOUND,
  LSOBS_ERROR_REDIRECTED,
  LSOBS_ERROR_UNAVAILABLE,
  LSOBS_ERROR_UNREACHABLE,
  LSOBS_ERROR_CLOSED,
  LSOBS_ERROR_INVALID_ATTACHMENT,
  LSOBS_ERROR_INVALID_VALUE,
  LSOBS_ERROR_INVALID_FEEDBACK,
  LSOBS_ERROR_NO_KEY,
  LSOBS_ERROR_FOREIGN,
  LSOBS_ERROR_BLOCKED
} LsobsError;

#define LSOBS_TYPE_ERROR (lsobs_error_get_type ())

/**
 * LSOBS_FLUSH_ERROR:
 *
 * The error domain for flushes and shutdowns. Its codes are #LsobsFlushError.
 *
 * Since: 0.1
 */
#define LSOBS_FLUSH_ERROR (lsobs_flush_error_quark ())

/**
 * LsobsFlushError:
 * @LSOBS_FLUSH_ERROR_TIMEOUT: some records were not sent within the timeout; after a flush, they
 *   are still sent, and after a shutdown, they are lost; or files in #LsobsConfig:failed-traces-dir
 *   were not written within the timeout, and are still written
 * @LSOBS_FLUSH_ERROR_PERMANENT: all records were tried, and some cannot be delivered
 * @LSOBS_FLUSH_ERROR_WOULD_DEADLOCK: the call did nothing, because a function that lsobs calls
 *   while it sends, such as a redaction function, cannot wait for the sending
 * @LSOBS_FLUSH_ERROR_SPOOLED: no record is lost, but some records are in #LsobsConfig:spool-dir,
 *   and are sent later
 *
 * Error codes for flushes and shutdowns. lsobs_flush_error_get_waited(),
 * lsobs_flush_error_get_pending() and lsobs_flush_error_get_dropped() return the numbers in the
 * message.
 *
 * Since: 0.1
 */
typedef enum
{
  LSOBS_FLUSH_ERROR_TIMEOUT,
  LSOBS_FLUSH_ERROR_PERMANENT,
  LSOBS_FLUSH_ERROR_WOULD_DEADLOCK,
  LSOBS_FLUSH_ERROR_SPOOLED
} LsobsFlushError;

#define LSOBS_TYPE_FLUSH_ERROR (lsobs_flush_error_get_type ())

LSOBS_AVAILABLE_IN_0_1
GQuark lsobs_error_quark (void);
LSOBS_AVAILABLE_IN_0_1
GType lsobs_error_get_type (void);

LSOBS_AVAILABLE_IN_0_1
GQuark lsobs_flush_error_quark (void);
LSOBS_AVAILABLE_IN_0_1
GType lsobs_flush_error_get_type (void);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_flush_error_get_waited (const GError *error);
LSOBS_AVAILABLE_IN_0_1
guint64 lsobs_flush_error_get_pending (const GError *error);
LSOBS_AVAILABLE_IN_0_1
guint64 lsobs_flush_error_get_dropped (const GError *error);

G_END_DECLS
