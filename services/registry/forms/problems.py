"""Why a whole file is sent back, by name. Single bad cells are no problem of the file: they come back marked."""

from __future__ import annotations

from shared.errors import Invalid, TooLarge


class FileNotWorkbook(Invalid):
    """不是工作簿: neither an xlsx workbook nor a text table."""

    code = "file.not_workbook"
    zh = "该文件不是可读取的工作簿或CSV表格：{found}"
    en = "The file is neither a workbook nor a CSV table that can be read: {found}"
    hint_zh = "请另存为 .xlsx 或 CSV（UTF-8 或 GB18030）后重新上传"
    hint_en = "Save it as .xlsx or CSV (UTF-8 or GB18030) and upload again"


class FileProtected(Invalid):
    """文件加密: nobody but who knows the password can read it."""

    code = "file.password"
    zh = "该文件设有打开密码，无法读取"
    en = "The file is protected by a password and cannot be read"
    hint_zh = "请在表格软件中取消打开密码，另存后重新上传"
    hint_en = "Remove the password in your spreadsheet, save it and upload again"


class FileHasMacros(Invalid):
    """含宏: a programme in a form is never needed and never run."""

    code = "file.macros"
    zh = "该文件含有宏（程序），不予读取"
    en = "The file holds macros (a programme) and is not read"
    hint_zh = "请另存为不含宏的 .xlsx 后重新上传"
    hint_en = "Save it as an .xlsx without macros and upload again"


class FileSuspicious(Invalid):
    """文件可疑: made in a way in which no spreadsheet makes files."""

    code = "file.suspicious"
    zh = "该文件的内部结构异常（{found}），不予读取"
    en = "The inside of the file is made as no spreadsheet makes it ({found}); it is not read"
    hint_zh = "请用表格软件打开后另存为新的 .xlsx，再重新上传"
    hint_en = "Open it in a spreadsheet, save it as a new .xlsx and upload again"


class FileDamaged(Invalid):
    """文件损坏: cut short or changed on the way."""

    code = "file.damaged"
    zh = "文件不完整或已损坏：{found}"
    en = "The file is incomplete or damaged: {found}"
    hint_zh = "请重新导出并重新上传，注意等上传完成"
    hint_en = "Export it again and let the upload finish"


class FileUnpacksTooLarge(TooLarge):
    """解压后过大: a small file that would unpack into a huge one."""

    code = "file.unpacks_too_large"
    zh = "文件解压后过大（{found}，上限 {limit}），已停止读取"
    en = "The file unpacks too large ({found}, limit {limit}); reading was stopped"
    hint_zh = "请删除多余的格式、图片和空白行列，或拆分后分批上传"
    hint_en = "Remove surplus formats, pictures and empty rows, or split it"


class FileTooManyRows(TooLarge):
    """行列过多: more rows or columns than one file may have."""

    code = "file.too_many_cells"
    zh = "表格过大（{found}，上限 {limit}）"
    en = "The table is too large ({found}, limit {limit})"
    hint_zh = "请删除表尾的空白行列（可能仅有格式），或拆分后分批上传"
    hint_en = "Delete empty rows and columns at the end (they may hold formats alone), or split it"


class EncodingUnknown(Invalid):
    """编码无法识别: neither UTF-8 nor GB18030."""

    code = "file.encoding"
    zh = "文件编码无法识别（应为 UTF-8 或 GB18030）"
    en = "The file's encoding is not recognised (UTF-8 or GB18030 expected)"
    hint_zh = "请在表格软件中另存为“CSV UTF-8”后重新上传"
    hint_en = "Save it as 'CSV UTF-8' and upload again"


class HeaderNotFound(Invalid):
    """未找到表头: no row has the wordings of the form."""

    code = "file.header_missing"
    zh = "前 {rows} 行中没有找到登记表的表头；至少应有：{required}"
    en = "No header of the form in the first {rows} rows; at least these are needed: {required}"
    hint_zh = "请使用登记表模板；如文字显示为乱码，请检查文件编码"
    hint_en = "Use the form's template; if its text looks garbled, check the encoding"


class HeaderIncomplete(Invalid):
    """表头缺列: the header lacks columns without which nothing can be recorded."""

    code = "file.header_incomplete"
    zh = "表头（第 {row} 行）缺少：{missing}"
    en = "The header (row {row}) lacks: {missing}"
    hint_zh = "请补上所缺的列"
    hint_en = "Add the missing columns"


class HeaderRepeated(Invalid):
    """表头重复: two columns claim to be the same field."""

    code = "file.header_repeated"
    zh = "表头重复：{repeated}"
    en = "Columns repeated in the header: {repeated}"
    hint_zh = "请删除或改名重复的列，每项只留一列"
    hint_en = "Remove or rename the repeated columns: one for each field"


class NoRows(Invalid):
    """没有数据行: a header and nothing below it."""

    code = "file.no_rows"
    zh = "表头下没有任何数据行"
    en = "There is no row below the header"
    hint_zh = "请填写后重新上传"
    hint_en = "Fill it in and upload again"


class RowTooLong(Invalid):
    """行内单元格过多: a text row has more cells than the header."""

    code = "file.row_too_long"
    zh = "第 {row} 行有 {cells} 个单元格，多于表头的 {width} 个"
    en = "Row {row} has {cells} cells, more than the header's {width}"
    hint_zh = "请检查该行是否有未加引号的逗号或缺失的引号"
    hint_en = "Look for an unquoted comma or a missing quotation mark in that row"


class FormulasEverywhere(Invalid):
    """公式过多: a table of formulas instead of values."""

    code = "file.formulas"
    zh = "表中公式单元格过多（超过 {limit} 个），无法逐格标记"
    en = "The table has too many formula cells (more than {limit}) to mark each"
    hint_zh = "请全选后“选择性粘贴—数值”，再重新上传"
    hint_en = "Paste the table as values and upload again"
