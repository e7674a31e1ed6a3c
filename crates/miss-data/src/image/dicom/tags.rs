//! The data elements that make pixels, as group and element in one number (PS3.6).

pub(super) const TRANSFER_SYNTAX: u32 = 0x0002_0010;
pub(super) const SAMPLES: u32 = 0x0028_0002;
pub(super) const PHOTOMETRIC: u32 = 0x0028_0004;
pub(super) const PLANAR: u32 = 0x0028_0006;
pub(super) const FRAMES: u32 = 0x0028_0008;
pub(super) const ROWS: u32 = 0x0028_0010;
pub(super) const COLUMNS: u32 = 0x0028_0011;
pub(super) const BITS_ALLOCATED: u32 = 0x0028_0100;
pub(super) const BITS_STORED: u32 = 0x0028_0101;
pub(super) const HIGH_BIT: u32 = 0x0028_0102;
pub(super) const SIGNED: u32 = 0x0028_0103;
pub(super) const PADDING: u32 = 0x0028_0120;
pub(super) const PADDING_LIMIT: u32 = 0x0028_0121;
pub(super) const WINDOW_CENTRE: u32 = 0x0028_1050;
pub(super) const WINDOW_WIDTH: u32 = 0x0028_1051;
pub(super) const INTERCEPT: u32 = 0x0028_1052;
pub(super) const SLOPE: u32 = 0x0028_1053;
pub(super) const VOI_FUNCTION: u32 = 0x0028_1056;
/// Red; green and blue follow.
pub(super) const PALETTE_DESCRIPTOR: u32 = 0x0028_1101;
/// Red; green and blue follow.
pub(super) const PALETTE: u32 = 0x0028_1201;
/// Red; green and blue follow.
pub(super) const SEGMENTED_PALETTE: u32 = 0x0028_1221;
pub(super) const MODALITY_LUTS: u32 = 0x0028_3000;
pub(super) const LUT_DESCRIPTOR: u32 = 0x0028_3002;
pub(super) const LUT_DATA: u32 = 0x0028_3006;
pub(super) const VOI_LUTS: u32 = 0x0028_3010;
/// Windows of a frame, in a functional group.
pub(super) const FRAME_VOI: u32 = 0x0028_9132;
/// Rescale of a frame, in a functional group.
pub(super) const FRAME_RESCALE: u32 = 0x0028_9145;
pub(super) const SHARED_GROUPS: u32 = 0x5200_9229;
pub(super) const FRAME_GROUPS: u32 = 0x5200_9230;
pub(super) const FLOAT_PIXELS: u32 = 0x7FE0_0008;
pub(super) const DOUBLE_PIXELS: u32 = 0x7FE0_0009;
pub(super) const PIXEL_DATA: u32 = 0x7FE0_0010;
pub(super) const ITEM: u32 = 0xFFFE_E000;
pub(super) const ITEM_END: u32 = 0xFFFE_E00D;
pub(super) const SEQUENCE_END: u32 = 0xFFFE_E0DD;

/// Sequences whose items are kept.
pub(super) const SEQUENCES: [u32; 6] = [
    MODALITY_LUTS,
    VOI_LUTS,
    FRAME_VOI,
    FRAME_RESCALE,
    SHARED_GROUPS,
    FRAME_GROUPS,
];

/// Elements whose values are kept.
pub(super) const VALUES: [u32; 28] = [
    SAMPLES,
    PHOTOMETRIC,
    PLANAR,
    FRAMES,
    ROWS,
    COLUMNS,
    BITS_ALLOCATED,
    BITS_STORED,
    HIGH_BIT,
    SIGNED,
    PADDING,
    PADDING_LIMIT,
    WINDOW_CENTRE,
    WINDOW_WIDTH,
    INTERCEPT,
    SLOPE,
    VOI_FUNCTION,
    PALETTE_DESCRIPTOR,
    PALETTE_DESCRIPTOR + 1,
    PALETTE_DESCRIPTOR + 2,
    PALETTE,
    PALETTE + 1,
    PALETTE + 2,
    SEGMENTED_PALETTE,
    SEGMENTED_PALETTE + 1,
    SEGMENTED_PALETTE + 2,
    LUT_DESCRIPTOR,
    LUT_DATA,
];
