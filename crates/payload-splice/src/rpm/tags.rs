//! The tags of RPM headers that are read or written here (rpm's `rpmtag.h`).

pub(crate) const REGION_SIGNATURES: u32 = 62;
pub(crate) const REGION_IMMUTABLE: u32 = 63;

pub(crate) const SIG_SHA1: u32 = 269;
pub(crate) const SIG_SHA256: u32 = 273;
pub(crate) const SIG_SIZE: u32 = 1000;
pub(crate) const SIG_MD5: u32 = 1004;
pub(crate) const SIG_PAYLOAD_SIZE: u32 = 1007;
pub(crate) const SIG_RESERVED_SPACE: u32 = 1008;

pub(crate) const NAME: u32 = 1000;
pub(crate) const VERSION: u32 = 1001;
pub(crate) const RELEASE: u32 = 1002;
pub(crate) const EPOCH: u32 = 1003;
pub(crate) const SUMMARY: u32 = 1004;
pub(crate) const DESCRIPTION: u32 = 1005;
pub(crate) const BUILD_TIME: u32 = 1006;
pub(crate) const BUILD_HOST: u32 = 1007;
pub(crate) const SIZE: u32 = 1009;
pub(crate) const VENDOR: u32 = 1011;
pub(crate) const LICENSE: u32 = 1014;
pub(crate) const PACKAGER: u32 = 1015;
pub(crate) const GROUP: u32 = 1016;
pub(crate) const URL: u32 = 1020;
pub(crate) const ARCH: u32 = 1022;
pub(crate) const FILE_SIZES: u32 = 1028;
pub(crate) const FILE_MODES: u32 = 1030;
pub(crate) const FILE_TIMES: u32 = 1034;
pub(crate) const FILE_DIGESTS: u32 = 1035;
pub(crate) const FILE_LINKS: u32 = 1036;
pub(crate) const FILE_FLAGS: u32 = 1037;
pub(crate) const FILE_OWNERS: u32 = 1039;
pub(crate) const FILE_GROUPS: u32 = 1040;
pub(crate) const SOURCE_RPM: u32 = 1044;
pub(crate) const ARCHIVE_SIZE: u32 = 1046;
pub(crate) const FILE_DEVICES: u32 = 1095;
pub(crate) const FILE_INODES: u32 = 1096;
pub(crate) const COOKIE: u32 = 1094;
pub(crate) const DIR_INDEXES: u32 = 1116;
pub(crate) const BASE_NAMES: u32 = 1117;
pub(crate) const DIR_NAMES: u32 = 1118;
pub(crate) const PAYLOAD_FORMAT: u32 = 1124;
pub(crate) const PAYLOAD_COMPRESSOR: u32 = 1125;
pub(crate) const PAYLOAD_FLAGS: u32 = 1126;
pub(crate) const LONG_FILE_SIZES: u32 = 5008;
pub(crate) const LONG_SIZE: u32 = 5009;
pub(crate) const FILE_DIGEST_ALGORITHM: u32 = 5011;
pub(crate) const PAYLOAD_SHA256: u32 = 5092;
pub(crate) const PAYLOAD_DIGEST_ALGORITHM: u32 = 5093;
pub(crate) const PAYLOAD_SHA256_ALT: u32 = 5097;
pub(crate) const RPM_FORMAT: u32 = 5114;

/// Digests and sizes of the payload that only rpm 6 knows: PAYLOADSIZE, PAYLOADSIZEALT, SHA-512 and SHA3-256 with ALT.
pub(crate) const PAYLOAD_EXTRAS: [u32; 6] = [5112, 5113, 5121, 5122, 5123, 5124];

/// Which dependency comes from which file, by places in the list of dependencies: informative, and stale once that changes.
pub(crate) const FILE_DEPENDENCIES: [u32; 3] = [1143, 1144, 1145];

/// PGP's number of SHA-256, which rpm uses.
pub(crate) const SHA256: u32 = 8;
/// The flag of a configuration file.
pub(crate) const FILE_CONFIG: u32 = 1;
/// The flag of a file that is not in the payload.
pub(crate) const FILE_GHOST: u32 = 1 << 6;

/// The tags of a list of dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DependencyTags {
    pub(crate) names: u32,
    pub(crate) flags: u32,
    pub(crate) versions: u32,
}

pub(crate) const REQUIRES: DependencyTags = DependencyTags { names: 1049, flags: 1048, versions: 1050 };
pub(crate) const PROVIDES: DependencyTags = DependencyTags { names: 1047, flags: 1112, versions: 1113 };
pub(crate) const CONFLICTS: DependencyTags = DependencyTags { names: 1054, flags: 1053, versions: 1055 };
pub(crate) const OBSOLETES: DependencyTags = DependencyTags { names: 1090, flags: 1114, versions: 1115 };
pub(crate) const RECOMMENDS: DependencyTags = DependencyTags { names: 5046, flags: 5048, versions: 5047 };

/// The scriptlets: name, tag of the text, tag of the interpreter.
pub(crate) const SCRIPTLETS: [(&str, u32, u32); 6] = [
    ("prein", 1023, 1085),
    ("postin", 1024, 1086),
    ("preun", 1025, 1087),
    ("postun", 1026, 1088),
    ("pretrans", 1151, 1153),
    ("posttrans", 1152, 1154),
];
