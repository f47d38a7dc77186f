/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>

#include "lsobs/config/lsobs-environment-private.h"
#include "lsobs/config/lsobs-trim-private.h"
#include "lsobs/config/lsobs-trust-private.h"
#include "lsobs/core/lsobs-file-private.h"
#include "lsobs/core/lsobs-fork-private.h"

/* The limits of what is read: bytes of one file, bytes of all files, names in one directory. The
 * authorities of a whole system are 150 certificates, 220 KB. */
#define MAX_FILE_BYTES (16 * 1024 * 1024)
#define MAX_BYTES      (64 * 1024 * 1024)
#define MAX_NAMES      20000

#define PEM_BEGIN "-----BEGIN CERTIFICATE-----"
#define PEM_END   "-----END CERTIFICATE-----"

typedef struct
{
  const char *origin; /* (unowned) the property or variable that names the path */
  char *path;         /* (owned) absolute */
  gboolean optional;  /* is skipped if it does not exist */
} CertificateSource;

struct _LsobsTrust
{
  gatomicrefcount ref_count;
  GPtrArray *sources; /* (owned) (element-type CertificateSource) at least one */
};

/* The certificates that were read so far. */
typedef struct
{
  GString *pem;              /* (unowned) */
  GHashTable *seen;          /* (unowned) (element-type utf8) each certificate in pem */
  gsize n_bytes;             /* of all files that were read */
  GCancellable *cancellable; /* (unowned) (nullable) */
} Bundle;

static void
source_free (gpointer data)
{
  CertificateSource *source = data;

  g_free (source->path);
  g_free (source);
}

static void
add_source (LsobsTrust *self, const char *origin, const char *path, gboolean optional)
{
  CertificateSource *source = g_new0 (CertificateSource, 1);

  source->origin = origin;
  source->path = g_canonicalize_filename (path, NULL);
  source->optional = optional;
  g_ptr_array_add (self->sources, source);
}

/* Returns: (transfer full) (nullable): the value without quotes */
static char *
read_paths (const char *variable)
{
  return _lsobs_trim_dup (_lsobs_environment_peek_trusted (variable));
}

/* Adds several paths. A path that does not exist is skipped, as OpenSSL does it.
 * @paths: (nullable): separated by G_SEARCHPATH_SEPARATOR */
static void
add_sources (LsobsTrust *self, const char *origin, const char *paths)
{
  g_auto (GStrv) parts = g_strsplit (paths != NULL ? paths : "", G_SEARCHPATH_SEPARATOR_S, -1);

  for (guint i = 0; parts[i] != NULL; i++)
    if (*parts[i] != '\0')
      add_source (self, origin, parts[i], TRUE);
}

/* @ca_file: (nullable): NULL to use the environment
 * Returns: (transfer full) (nullable): NULL to use what the system trusts */
LsobsTrust *
_lsobs_trust_new (const char *ca_file)
{
  g_autoptr (LsobsTrust) self = g_new0 (LsobsTrust, 1);
  g_autofree char *given = _lsobs_trim_dup (ca_file);
  g_autofree char *file = read_paths ("SSL_CERT_FILE");
  g_autofree char *dirs = read_paths ("SSL_CERT_DIR");
  g_autofree char *bundle = read_paths ("REQUESTS_CA_BUNDLE");

  g_atomic_ref_count_init (&self->ref_count);
  self->sources = g_ptr_array_new_with_free_func (source_free);
  if (given != NULL)
    {
      add_source (self, "ca-file", given, FALSE);
      return g_steal_pointer (&self);
    }
  if (file != NULL)
    add_source (self, "SSL_CERT_FILE", file, FALSE);
  add_sources (self, "SSL_CERT_DIR", dirs);
  if (self->sources->len == 0 && bundle != NULL)
    add_source (self, "REQUESTS_CA_BUNDLE", bundle, FALSE);
  return self->sources->len > 0 ? g_steal_pointer (&self) : NULL;
}

static LsobsTrust *
trust_ref (LsobsTrust *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_trust_unref (LsobsTrust *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_ptr_array_unref (self->sources);
  g_free (self);
}

/* Skips damaged certificates, which can only reduce the trust, and everything else in a file: keys,
 * lists of revoked certificates, comments.
 * Returns: the number of certificates in @text */
static guint
take_certificates (Bundle *bundle, const char *text)
{
  guint n = 0;

  for (const char *at = strstr (text, PEM_BEGIN); at != NULL; at = strstr (at, PEM_BEGIN))
    {
      const char *end = strstr (at, PEM_END);
      g_autofree char *block = NULL;
      g_autoptr (GTlsCertificate) certificate = NULL;

      if (end == NULL)
        break;
      end += strlen (PEM_END);
      block = g_strndup (at, (gsize) (end - at));
      at = end;
      if (g_hash_table_contains (bundle->seen, block))
        {
          n++;
          continue;
        }
      certificate = g_tls_certificate_new_from_pem (block, -1, NULL);
      if (certificate == NULL)
        continue;
      g_string_append (bundle->pem, block);
      g_string_append_c (bundle->pem, '\n');
      g_hash_table_add (bundle->seen, g_steal_pointer (&block));
      n++;
    }
  return n;
}

/* @n: (out): the number of certificates in the file
 * Returns: FALSE with errno if the file cannot be read */
static gboolean
read_file (Bundle *bundle, const char *path, guint *n)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  *n = 0;
  if (!_lsobs_file_read (AT_FDCWD, path, 0, MAX_FILE_BYTES, &text))
    return FALSE;
  bundle->n_bytes += text.len;
  if (bundle->n_bytes > MAX_BYTES)
    {
      errno = EFBIG;
      return FALSE;
    }
  text.data[text.len] = '\0';
  *n = take_certificates (bundle, text.data);
  return TRUE;
}

/* Skips files that cannot be read: private keys may be beside certificates.
 * Returns: FALSE with errno if the directory cannot be read */
static gboolean
read_dir (Bundle *bundle, const char *path)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;
  guint n_names = 0;
  guint n;

  errno = 0;
  dir = g_dir_open (path, 0, NULL);
  if (dir == NULL)
    return FALSE;
  while ((name = g_dir_read_name (dir)) != NULL &&
         !g_cancellable_is_cancelled (bundle->cancellable))
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      if (++n_names > MAX_NAMES || bundle->n_bytes > MAX_BYTES)
        {
          errno = EFBIG;
          return FALSE;
        }
      if (*name != '.' && !read_file (bundle, file, &n))
        g_debug ("%s is left out: %s", file, g_strerror (errno));
    }
  return TRUE;
}

static void
set_unreadable (const CertificateSource *source, int code, GError **error)
{
  g_autofree char *path = g_filename_display_name (source->path);

  g_set_error (
      error, G_IO_ERROR, g_io_error_from_errno (code),
      /* TRANSLATORS: follows “The service cannot be reached: ”. A path, the setting that
                * has it, such as SSL_CERT_FILE, and why it cannot be read. */
      _ ("the certificates of trusted authorities cannot be read from %s (%s): %s; correct the path or the file, or remove the setting to trust those of the system"),
      path, source->origin, g_strerror (code));
}

static void
set_empty (const CertificateSource *source, GError **error)
{
  g_autofree char *path = g_filename_display_name (source->path);

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
               /* TRANSLATORS: follows “The service cannot be reached: ”. A path, and the setting
                * that has it, such as SSL_CERT_FILE. */
               _ ("there is no certificate of an authority to trust in %s (%s); put one there in "
                  "PEM, or remove the setting to trust those of the system"),
               path, source->origin);
}

static gboolean
read_source (Bundle *bundle, const CertificateSource *source, GError **error)
{
  gboolean is_dir = g_file_test (source->path, G_FILE_TEST_IS_DIR);
  guint n = 0;

  if (is_dir ? !read_dir (bundle, source->path) : !read_file (bundle, source->path, &n))
    {
      set_unreadable (source, errno != 0 ? errno : EIO, error);
      return FALSE;
    }
  if (!is_dir && n == 0)
    {
      set_empty (source, error);
      return FALSE;
    }
  return TRUE;
}

/* Makes a file without a name, or where the system has no such files, a temporary file.
 * @path: (out) (transfer full): a path by which the file can be opened
 * Returns: a descriptor, or -1 with errno */
static int
open_scratch (char **path)
{
  int fd = -1;

#ifdef HAVE_MEMFD_CREATE
  fd = memfd_create ("lsobs-authorities", MFD_CLOEXEC);
  if (fd >= 0)
    {
      *path = g_strdup_printf ("/proc/self/fd/%d", fd);
      if (g_access (*path, R_OK) == 0)
        return fd;
      g_clear_pointer (path, g_free);
      close (fd);
    }
#endif
  *path = g_build_filename (g_get_tmp_dir (), "lsobs-XXXXXX", NULL);
  fd = g_mkstemp_full (*path, O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0)
    g_clear_pointer (path, g_free);
  return fd;
}

/* A file that lives as long as a database. */
typedef struct
{
  int fd;     /* (owned) */
  char *path; /* (owned) */
} TempFile;

static void
temp_file_free (gpointer data)
{
  TempFile *file = data;

  if (!g_str_has_prefix (file->path, "/proc/"))
    g_unlink (file->path);
  close (file->fd);
  g_free (file->path);
  g_free (file);
}

static gboolean
write_all (int fd, const char *data, gsize len)
{
  while (len > 0)
    {
      gssize n = write (fd, data, len);

      if (n < 0 && errno != EINTR)
        return FALSE;
      if (n > 0)
        {
          data += n;
          len -= (gsize) n;
        }
    }
  return TRUE;
}

/* GIO makes a database from one file only, which it may read again as long as the database lives. */
static GTlsDatabase *
make_database (const GString *pem, GError **error)
{
  TempFile *file;
  GTlsDatabase *database = NULL;
  char *path = NULL;
  int fd = open_scratch (&path);

  if (fd < 0)
    {
      int saved_errno = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno),
                   /* TRANSLATORS: follows “The service cannot be reached: ”. */
                   _ ("the certificates to trust cannot be copied: %s"), g_strerror (saved_errno));
      return NULL;
    }
  file = g_new (TempFile, 1);
  *file = (TempFile){ .fd = fd, .path = path };
  if (write_all (fd, pem->str, pem->len))
    database = g_tls_file_database_new (path, error);
  else
    g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errno), g_strerror (errno));
  if (database == NULL)
    temp_file_free (file);
  else
    g_object_set_data_full (G_OBJECT (database), "lsobs-temp-file", file, temp_file_free);
  return database;
}

/* Blocks while the disk is read.
 * Returns: (transfer full) (nullable) */
static GTlsDatabase *
load_database (LsobsTrust *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GString) pem = g_string_new (NULL);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GError) missing = NULL;
  Bundle bundle = { .pem = pem, .seen = seen, .cancellable = cancellable };
  const CertificateSource *first = NULL;

  for (guint i = 0; i < self->sources->len; i++)
    {
      const CertificateSource *source = g_ptr_array_index (self->sources, i);
      g_autoptr (GError) problem = NULL;

      if (read_source (&bundle, source, &problem))
        {
          first = first != NULL ? first : source;
        }
      else if (!source->optional || !g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return NULL;
        }
      else if (missing == NULL)
        {
          missing = g_steal_pointer (&problem);
        }
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return NULL;
    }
  if (first == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&missing));
      return NULL;
    }
  if (pem->len == 0)
    {
      set_empty (first, error);
      return NULL;
    }
  return make_database (pem, error);
}

struct _LsobsTrustLoader
{
  gatomicrefcount ref_count;
  guint loading; /* (atomic) 1 + the epoch of the process whose thread is reading, or 0 */
};

LsobsTrustLoader *
_lsobs_trust_loader_new (void)
{
  LsobsTrustLoader *self = g_new0 (LsobsTrustLoader, 1);

  g_atomic_ref_count_init (&self->ref_count);
  return self;
}

void
_lsobs_trust_loader_unref (LsobsTrustLoader *self)
{
  if (g_atomic_ref_count_dec (&self->ref_count))
    g_free (self);
}

typedef struct
{
  LsobsTrust *trust;        /* (owned) */
  LsobsTrustLoader *loader; /* (owned) */
} LoadData;

static void
load_free (gpointer data)
{
  LoadData *load = data;

  _lsobs_trust_unref (load->trust);
  _lsobs_trust_loader_unref (load->loader);
  g_free (load);
}

/* Runs in a worker thread. */
static void
load_thread (GTask *task, gpointer source_object, gpointer task_data, GCancellable *cancellable)
{
  LoadData *load = task_data;
  GError *error = NULL;
  GTlsDatabase *database = load_database (load->trust, cancellable, &error);

  g_atomic_int_set (&load->loader->loading, 0);
  if (database == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, database, g_object_unref);
}

/* Returns: FALSE if a thread of this process is already reading for the loader */
static gboolean
claim (LsobsTrustLoader *self)
{
  guint epoch = _lsobs_fork_epoch ();
  guint loading = g_atomic_int_get (&self->loading);

  return loading != 1 + epoch &&
         g_atomic_int_compare_and_exchange (&self->loading, loading, 1 + epoch);
}

/* A cancellation completes the call at once, although the thread may still wait for the disk. Each
 * @loader has one thread at a time. */
void
_lsobs_trust_load_async (LsobsTrust *self,
                         LsobsTrustLoader *loader,
                         GCancellable *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  LoadData *load = g_new (LoadData, 1);

  g_atomic_ref_count_inc (&loader->ref_count);
  *load = (LoadData){ trust_ref (self), loader };
  g_task_set_source_tag (task, _lsobs_trust_load_async);
  g_task_set_task_data (task, load, load_free);
  if (!claim (loader))
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "%s",
                               /* TRANSLATORS: follows “The service cannot be reached: ”. */
                               _ ("it takes too long to read the certificates to trust"));
      return;
    }
  g_task_set_return_on_cancel (task, TRUE);
  g_task_run_in_thread (task, load_thread);
}

/* Returns: (transfer full) (nullable) */
GTlsDatabase *
_lsobs_trust_load_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, _lsobs_trust_load_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* Returns: (nullable): the problem of a certificate and its remedy, for a message */
const char *
_lsobs_trust_explain (GTlsCertificateFlags problems)
{
  if (problems & G_TLS_CERTIFICATE_BAD_IDENTITY)
    /* TRANSLATORS: follows “The service cannot be reached: ”, as do the next ones. */
    return _ ("its certificate is for another host; check the API URL");
  if (problems & (G_TLS_CERTIFICATE_EXPIRED | G_TLS_CERTIFICATE_NOT_ACTIVATED))
    return _ ("its certificate has expired, or is not valid yet; check the clock of this machine");
  if (problems & G_TLS_CERTIFICATE_UNKNOWN_CA)
    return _ ("its certificate is of an authority that is not trusted; name the file with the "
              "certificate of that authority (the property ca-file, or the environment variable "
              "LANGSMITH_CA_FILE or SSL_CERT_FILE)");
  if (problems != 0)
    return _ ("its certificate is not acceptable");
  return NULL;
}
