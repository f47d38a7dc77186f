// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the GIR leaves out, and Vala can use.

namespace Lsobs {
	[CCode (cheader_filename = "lsobs/lsobs.h", free_function = "lsobs_run_pusher_free", has_type_id = false)]
	[Compact]
	[Version (since = "0.1")]
	public class RunPusher {
		public RunPusher (Lsobs.Run? run);
	}
}
