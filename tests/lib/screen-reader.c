/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "tests/lib/screen-reader.h"
#include "tests/lib/test-utils.h"

#define ROOT_PATH     "/org/a11y/atspi/accessible/root"
#define REGISTRY_PATH "/org/a11y/atspi/registry"
#define REGISTRY_NAME "org.a11y.atspi.Registry"

/* The interfaces of accessible objects that are used here. */
#define ACCESSIBLE    "org.a11y.atspi.Accessible"
#define ACTION        "org.a11y.atspi.Action"
#define EDITABLE_TEXT "org.a11y.atspi.EditableText"
#define TEXT          "org.a11y.atspi.Text"

struct _ScreenReader
{
  GSubprocess *display;        /* (owned) */
  char *display_name;          /* (owned) */
  GSubprocess *bus;            /* (owned) */
  char *bus_address;           /* (owned) */
  GDBusConnection *connection; /* (owned) */
  guint object_ids[2];
  char *program_name; /* (owned) (nullable) of the program, on the bus */
  char *program_path; /* (owned) (nullable) of the root of its objects */
  gint64 worst;       /* µs */
};

/* The object that a walk looks for. */
typedef struct
{
  const char *name;      /* (nullable) any */
  const char *interface; /* (nullable) any */
  guint nth;
} Wanted;

/* --- the registry -------------------------------------------------------------------------- */

static const char registry_xml[] =
    "<node>"
    "<interface name='org.a11y.atspi.Socket'><method name='Embed'>"
    "<arg type='(so)' direction='in'/><arg type='(so)' direction='out'/>"
    "</method></interface>"
    "<interface name='org.a11y.atspi.Registry'><method name='GetRegisteredEvents'>"
    "<arg type='a(ss)' direction='out'/>"
    "</method></interface>"
    "</node>";

static void
method_cb (GDBusConnection *connection,
           const char *sender G_GNUC_UNUSED,
           const char *path G_GNUC_UNUSED,
           const char *interface G_GNUC_UNUSED,
           const char *method,
           GVariant *parameters,
           GDBusMethodInvocation *invocation,
           gpointer user_data)
{
  ScreenReader *self = user_data;

  if (!g_str_equal (method, "Embed"))
    {
      g_dbus_method_invocation_return_value (
          invocation,
          g_variant_new ("(@a(ss))", g_variant_new_array (G_VARIANT_TYPE ("(ss)"), NULL, 0)));
      return;
    }
  g_free (self->program_name);
  g_free (self->program_path);
  g_variant_get (parameters, "((so))", &self->program_name, &self->program_path);
  g_dbus_method_invocation_return_value (
      invocation,
      g_variant_new ("((so))", g_dbus_connection_get_unique_name (connection), ROOT_PATH));
}

static const GDBusInterfaceVTable registry_vtable = { .method_call = method_cb };

static void
start_registry (ScreenReader *self)
{
  static const char *const paths[] = { ROOT_PATH, REGISTRY_PATH };
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (registry_xml, &error);
  g_autoptr (GVariant) reply = NULL;

  g_assert_no_error (error);
  self->connection =
      g_dbus_connection_new_for_address_sync (self->bus_address,
                                              G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                  G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                              NULL, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      self->object_ids[i] =
          g_dbus_connection_register_object (self->connection, paths[i], node->interfaces[i],
                                             &registry_vtable, self, NULL, &error);
      g_assert_no_error (error);
    }
  reply = g_dbus_connection_call_sync (self->connection, "org.freedesktop.DBus",
                                       "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                       "RequestName", g_variant_new ("(su)", REGISTRY_NAME, 0),
                                       NULL, 0, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
}

/* --- what the program says ----------------------------------------------------------------- */

/* Returns: (transfer full) (nullable): NULL if the object is gone, or has no such thing */
static GVariant *
call (ScreenReader *self,
      const char *path,
      const char *interface,
      const char *method,
      GVariant *parameters)
{
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();
  GVariant *reply =
      g_dbus_connection_call_sync (self->connection, self->program_name, path, interface, method,
                                   parameters, NULL, 0, TEST_TIMEOUT_MS, NULL, &error);

  self->worst = MAX (self->worst, g_get_monotonic_time () - start);
  if (reply == NULL && !g_dbus_error_is_remote_error (error))
    g_assert_no_error (error);
  return reply;
}

/* Returns: (transfer full) (nullable) */
static GVariant *
get_property (ScreenReader *self, const char *path, const char *interface, const char *property)
{
  g_autoptr (GVariant) reply = call (self, path, "org.freedesktop.DBus.Properties", "Get",
                                     g_variant_new ("(ss)", interface, property));
  GVariant *value = NULL;

  if (reply != NULL)
    g_variant_get (reply, "(v)", &value);
  return value;
}

/* Returns: (transfer full) (nullable) */
static char *
dup_name (ScreenReader *self, const char *path)
{
  g_autoptr (GVariant) name = get_property (self, path, ACCESSIBLE, "Name");

  return name != NULL ? g_variant_dup_string (name, NULL) : NULL;
}

/* Returns: (transfer full) (nullable) */
static char *
dup_text (ScreenReader *self, const char *path)
{
  g_autoptr (GVariant) length = get_property (self, path, TEXT, "CharacterCount");
  g_autoptr (GVariant) reply = NULL;
  char *text = NULL;

  if (length == NULL)
    return NULL;
  reply =
      call (self, path, TEXT, "GetText", g_variant_new ("(ii)", 0, g_variant_get_int32 (length)));
  if (reply != NULL)
    g_variant_get (reply, "(s)", &text);
  return text;
}

static gboolean
has_interface (ScreenReader *self, const char *path, const char *interface)
{
  g_autoptr (GVariant) reply = call (self, path, ACCESSIBLE, "GetInterfaces", NULL);
  g_autofree const char **names = NULL;

  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(^a&s)", &names);
  return g_strv_contains (names, interface);
}

/* Whether a press does what a click does. Every widget has some actions. */
static gboolean
can_be_clicked (ScreenReader *self, const char *path)
{
  g_autoptr (GVariant) reply = NULL;
  const char *name;

  if (!has_interface (self, path, ACTION))
    return FALSE;
  reply = call (self, path, ACTION, "GetName", g_variant_new ("(i)", 0));
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(&s)", &name);
  return g_str_equal (name, "click");
}

/* Returns: (transfer full) */
static GStrv
dup_children (ScreenReader *self, const char *path)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autoptr (GVariant) reply = call (self, path, ACCESSIBLE, "GetChildren", NULL);
  g_autoptr (GVariantIter) iter = NULL;
  const char *child;

  if (reply != NULL)
    {
      g_variant_get (reply, "(a(so))", &iter);
      while (g_variant_iter_next (iter, "(&s&o)", NULL, &child))
        g_strv_builder_add (builder, child);
    }
  return g_strv_builder_end (builder);
}

static gboolean
fits (ScreenReader *self, const char *path, const Wanted *wanted)
{
  g_autofree char *name = dup_name (self, path);

  if (g_strcmp0 (name, wanted->name) != 0)
    return FALSE;
  if (wanted->interface == NULL)
    return !has_interface (self, path, TEXT) && !can_be_clicked (self, path);
  return g_str_equal (wanted->interface, ACTION) ? can_be_clicked (self, path)
                                                 : has_interface (self, path, wanted->interface);
}

/* Returns: (transfer full) (nullable): the path of the first one at @path and below it; @wanted
 * counts down */
static char *
find_below (ScreenReader *self, const char *path, Wanted *wanted)
{
  g_auto (GStrv) children = NULL;

  if (fits (self, path, wanted) && wanted->nth-- == 0)
    return g_strdup (path);
  children = dup_children (self, path);
  for (guint i = 0; children[i] != NULL; i++)
    {
      char *found = find_below (self, children[i], wanted);

      if (found != NULL)
        return found;
    }
  return NULL;
}

/* Returns: (transfer full) (nullable) */
static char *
find (ScreenReader *self, Wanted wanted)
{
  return find_below (self, self->program_path, &wanted);
}

/* --- using the program --------------------------------------------------------------------- */

typedef struct
{
  ScreenReader *reader;
  Wanted wanted;
  const char *expected; /* (nullable) the texts */
  char *path;           /* (owned) (nullable) */
} Wait;

static gboolean
is_found (gpointer data)
{
  Wait *wait = data;

  wait->path = find (wait->reader, wait->wanted);
  return wait->path != NULL;
}

/* Returns: (transfer full) */
static char *
wait_for (ScreenReader *self, Wanted wanted)
{
  Wait wait = { .reader = self, .wanted = wanted };

  if (!test_wait_until (is_found, &wait, TEST_TIMEOUT_MS))
    g_error ("there is no widget number %u named %s", wanted.nth, wanted.name);
  return wait.path;
}

void
screen_reader_press (ScreenReader *self, const char *name, guint nth)
{
  g_autofree char *path =
      wait_for (self, (Wanted){ .name = name, .interface = ACTION, .nth = nth });
  g_autoptr (GVariant) reply = call (self, path, ACTION, "DoAction", g_variant_new ("(i)", 0));
  gboolean is_done = FALSE;

  g_assert_nonnull (reply);
  g_variant_get (reply, "(b)", &is_done);
  g_assert_true (is_done);
}

void
screen_reader_type (ScreenReader *self, const char *name, const char *text)
{
  g_autofree char *path = wait_for (self, (Wanted){ .name = name, .interface = EDITABLE_TEXT });
  g_autoptr (GVariant) reply =
      call (self, path, EDITABLE_TEXT, "SetTextContents", g_variant_new ("(s)", text));

  g_assert_nonnull (reply);
}

/* Texts that are not empty. */
static void
add_texts (ScreenReader *self, const char *path, GString *texts)
{
  g_auto (GStrv) children = dup_children (self, path);

  for (guint i = 0; children[i] != NULL; i++)
    {
      g_autofree char *text =
          has_interface (self, children[i], TEXT) ? dup_text (self, children[i]) : NULL;

      if (text != NULL && *text != '\0')
        g_string_append_printf (texts, "%s\n", text);
    }
}

char *
screen_reader_dup_texts (ScreenReader *self, const char *name, guint nth)
{
  g_autofree char *path = find (self, (Wanted){ .name = name, .nth = nth });
  GString *texts;

  if (path == NULL)
    return NULL;
  texts = g_string_new (NULL);
  add_texts (self, path, texts);
  return g_string_free (texts, FALSE);
}

static gboolean
is_text (gpointer data)
{
  Wait *wait = data;
  g_autofree char *texts =
      screen_reader_dup_texts (wait->reader, wait->wanted.name, wait->wanted.nth);

  return g_strcmp0 (texts, wait->expected) == 0;
}

void
screen_reader_wait_texts (ScreenReader *self, const char *name, guint nth, const char *expected)
{
  Wait wait = { .reader = self, .wanted = { .name = name, .nth = nth }, .expected = expected };
  g_autofree char *texts = NULL;

  if (test_wait_until (is_text, &wait, TEST_TIMEOUT_MS))
    return;
  texts = screen_reader_dup_texts (self, name, nth);
  g_assert_cmpstr (texts, ==, expected);
}

static void
assert_named_below (ScreenReader *self, const char *path)
{
  g_auto (GStrv) children = dup_children (self, path);

  if (can_be_clicked (self, path) || has_interface (self, path, EDITABLE_TEXT))
    {
      g_autofree char *name = dup_name (self, path);

      g_assert_cmpstr (name, !=, "");
      /* the name of the class, for want of another one */
      g_assert_false (g_str_has_prefix (name, "Gtk"));
    }
  for (guint i = 0; children[i] != NULL; i++)
    assert_named_below (self, children[i]);
}

void
screen_reader_assert_named (ScreenReader *self)
{
  assert_named_below (self, self->program_path);
}

gint64
screen_reader_take_worst_ms (ScreenReader *self)
{
  gint64 worst = self->worst / 1000;

  self->worst = 0;
  return worst;
}

/* --- the display --------------------------------------------------------------------------- */

static gboolean
is_embedded (gpointer data)
{
  ScreenReader *self = data;

  return self->program_name != NULL;
}

void
screen_reader_wait_program (ScreenReader *self)
{
  g_assert_true (test_wait_until (is_embedded, self, TEST_TIMEOUT_MS));
}

/* A test that aborts leaves no process. */
static void
die_with_parent (gpointer data G_GNUC_UNUSED)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

void
screen_reader_prepare (ScreenReader *self, GSubprocessLauncher *launcher)
{
  g_subprocess_launcher_set_child_setup (launcher, die_with_parent, NULL, NULL);
  g_subprocess_launcher_setenv (launcher, "DISPLAY", self->display_name, TRUE);
  g_subprocess_launcher_setenv (launcher, "GDK_BACKEND", "x11", TRUE);
  g_subprocess_launcher_setenv (launcher, "GSK_RENDERER", "cairo", TRUE);
  g_subprocess_launcher_setenv (launcher, "GTK_A11Y", "atspi", TRUE);
  g_subprocess_launcher_setenv (launcher, "DBUS_SESSION_BUS_ADDRESS", self->bus_address, TRUE);
  g_subprocess_launcher_setenv (launcher, "AT_SPI_BUS_ADDRESS", self->bus_address, TRUE);
}

/* Starts a program that writes one line when it is ready.
 * Returns: (transfer full): the line */
static char *
start_server (GSubprocess **process, const char *const *argv)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
      G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_autoptr (GDataInputStream) lines = NULL;
  g_autoptr (GError) error = NULL;
  char *line;

  g_subprocess_launcher_set_child_setup (launcher, die_with_parent, NULL, NULL);
  *process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  lines = g_data_input_stream_new (g_subprocess_get_stdout_pipe (*process));
  line = g_data_input_stream_read_line (lines, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (line);
  return line;
}

static void
start_display (ScreenReader *self)
{
  static const char *const argv[] = { "Xvfb",    "-displayfd", "1",          "-nolisten", "tcp",
                                      "-screen", "0",          "640x760x24", NULL };
  g_autofree char *number = start_server (&self->display, argv);

  self->display_name = g_strconcat (":", number, NULL);
}

/* It starts no services. */
static void
start_bus (ScreenReader *self)
{
  static const char config[] =
      "<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><policy context='default'>"
      "<allow send_destination='*'/><allow eavesdrop='true'/><allow own='*'/>"
      "</policy></busconfig>";
  const char *argv[] = {
    "dbus-daemon", "--nofork", "--nopidfile", "--print-address=1", NULL, NULL
  };
  g_autofree char *path = NULL;
  g_autofree char *option = NULL;
  g_autoptr (GError) error = NULL;
  int fd = g_file_open_tmp ("screen-reader-XXXXXX.conf", &path, &error);

  g_assert_no_error (error);
  close (fd);
  g_file_set_contents (path, config, -1, &error);
  g_assert_no_error (error);
  argv[4] = option = g_strconcat ("--config-file=", path, NULL);
  self->bus_address = start_server (&self->bus, argv);
  g_unlink (path);
}

ScreenReader *
screen_reader_new (const char **why_not)
{
  static const struct
  {
    const char *program;
    const char *why_not;
  } needs[] = {
    { "Xvfb", "Xvfb is not installed" },
    { "dbus-daemon", "dbus-daemon is not installed" },
  };
  ScreenReader *self;

  for (guint i = 0; i < G_N_ELEMENTS (needs); i++)
    {
      g_autofree char *path = g_find_program_in_path (needs[i].program);

      *why_not = needs[i].why_not;
      if (path == NULL)
        return NULL;
    }
  self = g_new0 (ScreenReader, 1);
  start_display (self);
  start_bus (self);
  start_registry (self);
  return self;
}

static void
stop_server (GSubprocess *process)
{
  g_subprocess_force_exit (process);
  g_subprocess_wait (process, NULL, NULL);
  g_object_unref (process);
}

void
screen_reader_free (ScreenReader *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (self->object_ids); i++)
    g_dbus_connection_unregister_object (self->connection, self->object_ids[i]);
  g_dbus_connection_close_sync (self->connection, NULL, NULL);
  g_object_unref (self->connection);
  stop_server (self->bus);
  stop_server (self->display);
  g_free (self->bus_address);
  g_free (self->display_name);
  g_free (self->program_name);
  g_free (self->program_path);
  g_free (self);
}
