//! JPEG-LS, lossless and near-lossless (ITU-T T.87), of 2 to 16 bits: no maintained decoder without
//! C++ exists. Names in comments are the standard's.

use super::elements::Fault;

/// A decoded image: one plane a channel, rows from the top.
#[derive(Debug)]
pub(super) struct Image {
    width: usize,
    pub(super) bits: u32,
    pub(super) planes: Vec<Vec<u16>>,
}

/// Orders of the run lengths (J).
const RUN_ORDERS: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];
/// Contexts of regular mode; two for run interruptions follow.
const CONTEXTS: usize = 365;

/// Decodes a stream whose header announces `expected` width, height and channels; another is
/// refused before anything is allocated.
pub(super) fn decode(bytes: &[u8], expected: (usize, usize, usize)) -> Result<Image, Fault> {
    let damaged = || "is damaged".to_owned();
    let mut image = None;
    let mut preset = None;
    let mut done = 0;
    let mut at = match bytes {
        [0xFF, 0xD8, ..] => 2,
        _ => return Err(damaged()),
    };
    loop {
        // Padding between a scan's end and the next marker is allowed.
        while bytes.get(at..at + 2).is_some_and(|two| two == [0xFF, 0xFF]) {
            at += 1;
        }
        let &[0xFF, marker, high, low] = bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk())
            .ok_or_else(damaged)?
        else {
            return Err(damaged());
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let segment = bytes.get(at + 4..at + 2 + length).ok_or_else(damaged)?;
        at += 2 + length;
        let word = |index: usize| {
            segment
                .get(index..index + 2)
                .map(|two| i32::from(u16::from_be_bytes([two[0], two[1]])))
        };
        match marker {
            0xF7 if image.is_none() => {
                let &[bits, h, height, w, width, channels, ..] = segment else {
                    return Err(damaged());
                };
                let [height, width] =
                    [[h, height], [w, width]].map(|two| usize::from(u16::from_be_bytes(two)));
                if (width, height, channels.into()) != expected || !(2..=16).contains(&bits) {
                    return Err(format!(
                        "is {width} x {height} of {channels} channels and {bits} bits, the file announces {} x {} of {}",
                        expected.0, expected.1, expected.2
                    ));
                }
                image = Some(Image {
                    width,
                    bits: bits.into(),
                    planes: vec![vec![0; width * height]; channels.into()],
                });
            }
            0xF8 if segment.first() == Some(&1) => {
                let values = [1, 3, 5, 7, 9].map(word);
                preset = Some(values.map(|value| value.unwrap_or(0)));
            }
            0xF8 => return Err("has a palette or extension, which is not supported".into()),
            0xDD if segment.iter().any(|&byte| byte != 0) => {
                return Err("has restart markers, which are not supported".into());
            }
            0xE8 if segment.starts_with(b"mrfx") => {
                return Err("has a colour transform, which is not supported".into());
            }
            0xDA => {
                let image = image.as_mut().ok_or_else(damaged)?;
                let channels = usize::from(*segment.first().ok_or_else(damaged)?);
                let (Some(&near), Some(&interleave), Some(&0)) = (
                    segment.get(1 + 2 * channels),
                    segment.get(2 + 2 * channels),
                    segment.get(3 + 2 * channels),
                ) else {
                    return Err(damaged());
                };
                if channels == 0
                    || done + channels > image.planes.len()
                    || (interleave == 0 && channels != 1)
                {
                    return Err(damaged());
                }
                let data = bytes.get(at..).unwrap_or_default();
                let mut scan = Scan::new(image.bits, near.into(), preset, data)?;
                let planes = &mut image.planes[done..done + channels];
                let read = scan.planes(planes, image.width, interleave == 2);
                at += read.ok_or_else(|| "stops before its end; fetch it again".to_owned())?;
                done += channels;
            }
            _ => {}
        }
        if image
            .as_ref()
            .is_some_and(|image| image.planes.len() == done)
        {
            return image.ok_or_else(damaged);
        }
    }
}

/// One scan's parameters, statistics and bits.
struct Scan<'a> {
    bits: Bits<'a>,
    highest: i32,
    near: i32,
    range: i32,
    thresholds: [i32; 3],
    reset: i32,
    limit: u32,
    /// Bits of a mapped error (qbpp).
    error_bits: u32,
    contexts: Vec<Context>,
}

/// Statistics of a context: A, B, C, N; in run interruptions B counts negative errors (Nn).
#[derive(Clone)]
struct Context {
    magnitude: i32,
    bias: i32,
    correction: i32,
    count: i32,
}

impl<'a> Scan<'a> {
    fn new(bits: u32, near: i32, preset: Option<[i32; 5]>, data: &'a [u8]) -> Result<Self, Fault> {
        let [highest, t1, t2, t3, reset] = preset.unwrap_or_default();
        let or = |value: i32, default: i32| if value == 0 { default } else { value };
        let full = (1 << bits) - 1;
        let highest = or(highest, full);
        if near > highest / 2 || highest > full {
            return Err("has impossible parameters".into());
        }
        let range = (highest + 2 * near) / (2 * near + 1) + 1;
        // C.2.4.1.1
        let clamped = |value: i32, low: i32| {
            if value > highest || value < low {
                low
            } else {
                value
            }
        };
        let [d1, d2, d3] = if highest >= 128 {
            let factor = (highest.min(4095) + 128) / 256;
            [factor + 2, factor * 4 + 3, factor * 17 + 4]
        } else {
            let factor = 256 / (highest + 1);
            [
                (3 / factor).max(2),
                (7 / factor).max(3),
                (21 / factor).max(4),
            ]
        };
        let t1 = or(t1, clamped(d1 + 3 * near, near + 1));
        let t2 = or(t2, clamped(d2 + 5 * near, t1));
        let t3 = or(t3, clamped(d3 + 7 * near, t2));
        let width = (32 - (highest as u32).leading_zeros()).max(2);
        let context = Context {
            magnitude: ((range + 32) / 64).max(2),
            bias: 0,
            correction: 0,
            count: 1,
        };
        Ok(Self {
            bits: Bits {
                bytes: data,
                at: 0,
                held: 0,
                count: 0,
                stuffed: false,
            },
            highest,
            near,
            range,
            thresholds: [t1, t2, t3],
            reset: or(reset, 64).max(3),
            limit: 2 * (width + width.max(8)),
            error_bits: (32 - (range as u32 - 1).leading_zeros()).max(1),
            contexts: vec![context; CONTEXTS + 2],
        })
    }

    /// Fills the planes and gives the bytes read; nothing where they stop too early.
    fn planes(&mut self, planes: &mut [Vec<u16>], width: usize, by_sample: bool) -> Option<usize> {
        // A sample beyond either end, so that every one has all its neighbours.
        let mut above = vec![vec![0_i32; width + 2]; planes.len()];
        let mut lines = above.clone();
        let mut runs = vec![0; planes.len()];
        for row in 0..planes.first()?.len() / width {
            for (line, above) in lines.iter_mut().zip(&mut above) {
                above[width + 1] = above[width];
                line[0] = above[1];
            }
            if by_sample {
                self.line(&mut lines, &above, width, &mut runs[0])?;
            } else {
                let channels = lines.iter_mut().zip(&above).zip(&mut runs);
                for ((line, above), run) in channels {
                    let one = std::slice::from_mut(line);
                    self.line(one, std::slice::from_ref(above), width, run)?;
                }
            }
            for (plane, line) in planes.iter_mut().zip(&lines) {
                let target = &mut plane[row * width..(row + 1) * width];
                target
                    .iter_mut()
                    .zip(&line[1..])
                    .for_each(|(target, &value)| *target = value as u16);
            }
            std::mem::swap(&mut lines, &mut above);
        }
        Some(self.bits.end())
    }

    /// A line of channels whose samples lie side by side.
    fn line(
        &mut self,
        lines: &mut [Vec<i32>],
        above: &[Vec<i32>],
        width: usize,
        run: &mut usize,
    ) -> Option<()> {
        let mut x = 1;
        while x <= width {
            let flat = lines.iter().zip(above).all(|(line, above)| {
                let (a, b, c, d) = (line[x - 1], above[x], above[x - 1], above[x + 1]);
                [d - b, b - c, c - a]
                    .iter()
                    .all(|step| step.abs() <= self.near)
            });
            if !flat {
                for (line, above) in lines.iter_mut().zip(above) {
                    line[x] = self.regular(line[x - 1], above[x], above[x - 1], above[x + 1])?;
                }
                x += 1;
                continue;
            }
            let end = x + self.run_length(width + 1 - x, run)?;
            for line in lines.iter_mut() {
                let value = line[x - 1];
                line[x..end].fill(value);
            }
            x = end;
            if x > width {
                break;
            }
            let several = lines.len() > 1;
            for (line, above) in lines.iter_mut().zip(above) {
                line[x] = self.interruption(line[x - 1], above[x], several, RUN_ORDERS[*run])?;
            }
            *run = run.saturating_sub(1);
            x += 1;
        }
        Some(())
    }

    /// A.4 to A.6.
    fn regular(&mut self, a: i32, b: i32, c: i32, d: i32) -> Option<i32> {
        let steps = [d - b, b - c, c - a].map(|step| self.quantised(step));
        let index = steps[0] * 81 + steps[1] * 9 + steps[2];
        let sign = if index < 0 { -1 } else { 1 };
        let (highest, near, reset) = (self.highest, self.near, self.reset);
        let predicted = if c >= a.max(b) {
            a.min(b)
        } else if c <= a.min(b) {
            a.max(b)
        } else {
            a + b - c
        };
        let context = self.contexts.get(index.unsigned_abs() as usize)?;
        let predicted = (predicted + sign * context.correction).clamp(0, highest);
        let order = context.order(context.magnitude);
        let mapped = self.bits.golomb(order, self.limit, self.error_bits)?;
        let context = self.contexts.get_mut(index.unsigned_abs() as usize)?;
        let turned = near == 0 && order == 0 && 2 * context.bias <= -context.count;
        let error = if (mapped & 1 == 1) == turned {
            mapped >> 1
        } else {
            -(mapped >> 1) - 1
        };
        context.update(error, near, reset);
        Some(self.restored(predicted, sign * error))
    }

    fn quantised(&self, step: i32) -> i32 {
        let [t1, t2, t3] = self.thresholds;
        let size = match step.abs() {
            size if size <= self.near => 0,
            size if size < t1 => 1,
            size if size < t2 => 2,
            size if size < t3 => 3,
            _ => 4,
        };
        size * step.signum()
    }

    /// A.7.1: how many of `left` samples repeat the one before.
    fn run_length(&mut self, left: usize, run: &mut usize) -> Option<usize> {
        let mut length = 0;
        while self.bits.bit()? == 1 {
            let step = 1 << RUN_ORDERS[*run];
            let fits = step <= left - length;
            length += step.min(left - length);
            if fits {
                *run = (*run + 1).min(31);
            }
            if length == left {
                return Some(length);
            }
        }
        length += self.bits.take(RUN_ORDERS[*run])? as usize;
        // A run that is interrupted leaves a sample for what interrupts it.
        (length < left).then_some(length)
    }

    /// A.7.2: the sample after a run.
    fn interruption(&mut self, a: i32, b: i32, several: bool, run_order: u32) -> Option<i32> {
        let same = !several && (a - b).abs() <= self.near;
        let kind = i32::from(same);
        let context = &self.contexts[CONTEXTS + usize::from(same)];
        let order = context.order(context.magnitude.saturating_add(if same {
            context.count >> 1
        } else {
            0
        }));
        let mapped = self.bits.golomb(
            order,
            self.limit.checked_sub(run_order + 1)?,
            self.error_bits,
        )?;
        let context = &mut self.contexts[CONTEXTS + usize::from(same)];
        let odd = (mapped + kind) & 1;
        let size = (mapped + kind + odd) / 2;
        let negative = (order != 0 || 2 * context.bias >= context.count) == (odd == 1);
        let error = if negative { -size } else { size };
        if error < 0 {
            context.bias += 1;
        }
        context.magnitude = context.magnitude.saturating_add((mapped + 1 - kind) >> 1);
        if context.count == self.reset {
            context.magnitude >>= 1;
            context.count >>= 1;
            context.bias >>= 1;
        }
        context.count += 1;
        Some(if same {
            self.restored(a, error)
        } else {
            self.restored(b, if a > b { -error } else { error })
        })
    }

    fn restored(&self, predicted: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let mut value = predicted + error * step;
        if value < -self.near {
            value += self.range * step;
        } else if value > self.highest + self.near {
            value -= self.range * step;
        }
        value.clamp(0, self.highest)
    }
}

impl Context {
    /// The Golomb code's order (k) for a sum of magnitudes.
    fn order(&self, magnitude: i32) -> u32 {
        (0..24)
            .find(|&order| i64::from(self.count) << order >= i64::from(magnitude))
            .unwrap_or(24)
    }

    /// A.6.
    fn update(&mut self, error: i32, near: i32, reset: i32) {
        self.bias += error * (2 * near + 1);
        // Far more than any image has, unless it is made to do harm.
        self.magnitude = self.magnitude.saturating_add(error.abs());
        if self.count == reset {
            self.magnitude >>= 1;
            self.bias >>= 1;
            self.count >>= 1;
        }
        self.count += 1;
        if self.bias <= -self.count {
            self.bias = (self.bias + self.count).max(1 - self.count);
            self.correction = (self.correction - 1).max(-128);
        } else if self.bias > 0 {
            self.bias = (self.bias - self.count).min(0);
            self.correction = (self.correction + 1).min(127);
        }
    }
}

/// Bits of a scan, the highest first; after a byte 0xFF comes one of seven bits.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u32,
    count: u32,
    stuffed: bool,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u32> {
        if self.count == 0 {
            let byte = *self.bytes.get(self.at)?;
            if self.stuffed && byte >= 0x80 {
                // A marker: the scan has ended.
                return None;
            }
            self.held = byte.into();
            self.count = if self.stuffed { 7 } else { 8 };
            self.stuffed = byte == 0xFF;
            self.at += 1;
        }
        self.count -= 1;
        Some(self.held >> self.count & 1)
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    /// A.5.3: a number of limited length.
    fn golomb(&mut self, order: u32, limit: u32, error_bits: u32) -> Option<i32> {
        let most = limit.checked_sub(error_bits + 1)?;
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > most {
                return None;
            }
        }
        let value = if zeros < most {
            zeros << order | self.take(order)?
        } else {
            self.take(error_bits)? + 1
        };
        Some(value.min(1 << 20) as i32)
    }

    /// Where the scan's bytes end: after the stuffing of a last 0xFF.
    fn end(&self) -> usize {
        self.at
            + usize::from(self.stuffed && self.bytes.get(self.at).is_some_and(|&byte| byte < 0x80))
    }
}
